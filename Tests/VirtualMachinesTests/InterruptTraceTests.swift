import Foundation
import Testing

@testable import VirtualMachines

/// The plugin that traces interrupts, as far as the host sees it.
@Suite struct InterruptTraceTests {
  static let observation = VirtualMachineConfiguration.Observation(
    plugin: "/lib/libInterruptTrace.so", output: "/tmp/trace")

  /// What QEMU is told of an image.
  static func check(
    _ image: ELFImage, _ change: (inout VirtualMachineConfiguration) -> Void = { _ in }
  ) throws -> QEMUCommandLine {
    var configuration = VirtualMachineConfiguration(image: "sample", programName: "sample")
    configuration.interruptTrace = observation
    change(&configuration)
    return try VirtualMachine.check(configuration, image)
  }

  @Test func thePluginIsToldWhereTheStubsAre() throws {
    let image = try ELFImage(bytes: SampleELF.bytes, path: "sample")
    #expect(
      try Self.check(image).arguments().contains(
        "/lib/libInterruptTrace.so,stubs=0x1000a0,size=0xff9,switch=0x0,preempt=0x0,out=/tmp/trace")
    )
  }

  @Test func anImageWithoutStubsIsRefused() throws {
    let name = try #require(SampleELF.bytes.firstRange(of: Array("apus_trap_stubs".utf8)))
    var bytes = SampleELF.bytes
    bytes[name.lowerBound] = UInt8(ascii: "x")
    let image = try ELFImage(bytes: bytes, path: "sample")
    #expect(
      throws: VirtualMachineError.badImage(
        "sample has no function apus_trap_stubs, by which interrupts are traced; "
          + "do not strip it")
    ) { try Self.check(image) }
  }

  @Test func kvmTracesNothing() throws {
    let image = try ELFImage(bytes: SampleELF.bytes, path: "sample")
    #expect(
      throws: VirtualMachineError.badConfiguration(
        "interrupts are traced by TCG only; use --accel tcg")
    ) { try Self.check(image) { $0.accelerator = .kvm } }
  }

  @Test(arguments: ["bin", "lib/apus"])
  func thePluginIsFoundBesideTheCommandOrWhereItIsInstalled(_ place: String) throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let executable = directory.path("bin/apus")
    #expect(throws: QEMUPlugin.Missing(plugin: .interruptTrace)) {
      try QEMUPlugin.interruptTrace.path(executable: executable)
    }
    let path = directory.path("\(place)/libInterruptTrace.so")
    try FileManager.default.createDirectory(
      atPath: directory.path(place), withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(try QEMUPlugin.interruptTrace.path(executable: executable) == path)
    #expect(throws: QEMUPlugin.Missing(plugin: .instructionCounter)) {
      try QEMUPlugin.instructionCounter.path(executable: executable)
    }
  }

  @Test func aMissingPluginSaysHowToBuildIt() {
    #expect(
      QEMUPlugin.Missing(plugin: .interruptTrace).description
        == "libInterruptTrace.so, which traces interrupts, is not beside the command; build it: "
        + "swift build -c release --product InterruptTrace")
  }

  /// A script that writes its own arguments into the file of the trace.
  static let script = #"""
    for word; do case $word in *InterruptTrace.so,*) file=${word##*out=} ;; esac; done
    echo "$*" > "$file"
    printf '\001test begin a\n\001test pass a\n\001tests done\n\001exit 0\n' >&3
    exit 1
    """#

  @Test func runWritesTheFileThatIsNamed() throws {
    let qemu = try FalseQEMU(Self.script)
    let file = qemu.directory.path("a trace")
    let (process, _, _) = try CommandTests.start(
      qemu, ["run", "--interrupt-trace", file, qemu.image])
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(try String(contentsOfFile: file, encoding: .utf8).contains("-accel tcg"))
  }

  @Test func testWritesAFilePerVirtualMachine() throws {
    let qemu = try FalseQEMU(Self.script)
    let directory = qemu.directory.path("new/traces")
    let (process, _, _) = try CommandTests.start(
      qemu,
      ["test", "--cpus", "1,4", "--machine", "q35", "--interrupt-trace", directory, qemu.image])
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        == ["image-q35-1.trace", "image-q35-4.trace"])
  }
}
