import PerCPU
import TestSupport
import Testing

@testable import VirtualMachines

@Suite struct CommandLineTests {
  static let common =
    "-append 'program=app log=info' -chardev file,id=console,path=/dev/stdout "
    + "-serial chardev:console -chardev file,id=log,path=/dev/stderr "
    + "-device isa-debugcon,iobase=0xe9,readback=0xe9,chardev=log "
    + "-device isa-debug-exit,iobase=0xf4,iosize=4"
  static let start = "qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot"

  static func configuration() -> VirtualMachineConfiguration {
    VirtualMachineConfiguration(image: "/images/app", programName: "app")
  }

  @Test(arguments: [
    (MachineType.microvm, "microvm,isa-serial=on,auto-kernel-cmdline=off,acpi=on"),
    (.microvmWithoutACPI, "microvm,isa-serial=on,auto-kernel-cmdline=off,acpi=off"),
    (.q35, "q35"), (.pc, "pc"),
  ])
  func machine(_ machine: MachineType, _ name: String) {
    var configuration = Self.configuration()
    configuration.machine = machine
    #expect(
      QEMUCommandLine(configuration).shellCommand
        == "\(Self.start) -M \(name) -cpu max -smp 4 -m 256M -accel tcg,thread=multi "
        + "-kernel /images/app \(Self.common)")
  }

  @Test func allOptions() throws {
    var configuration = Self.configuration()
    configuration.cpus = 64
    configuration.memory = try #require(MemorySize("3G"))
    configuration.initrd = "/tmp/a b.cpio"
    configuration.gdbPort = 1234
    configuration.instructionClock = true
    configuration.counting = .init(plugin: "/lib/a,b.so", output: "/tmp/counts")
    configuration.interruptTrace = .init(plugin: "/lib/t.so", output: "/tmp/a,b")
    var line = QEMUCommandLine(configuration)
    line.marks = .init(entry: 0x100000, marks: 0x100046)
    line.vectorStubs = .init(address: 0x1001a0, size: 0xff9)
    #expect(
      line.shellCommand
        == "\(Self.start) -M microvm,isa-serial=on,auto-kernel-cmdline=off,acpi=on -cpu max "
        + "-smp 64 -m 3G -accel tcg,thread=single -icount shift=0,sleep=off "
        + "-kernel /images/app -initrd '/tmp/a b.cpio' \(Self.common) "
        + "-S -gdb tcp:127.0.0.1:1234 "
        + "-plugin /lib/a,,b.so,entry=0x100000,marks=0x100046,out=/tmp/counts "
        + "-plugin /lib/t.so,stubs=0x1001a0,size=0xff9,switch=0x0,preempt=0x0,out=/tmp/a,,b")
  }

  @Test func aPluginThatTimesIsToldTheClock() {
    var configuration = Self.configuration()
    configuration.counting = .init(plugin: "/lib/c.so", output: "/tmp/times")
    configuration.counted = .processorTime
    var line = QEMUCommandLine(configuration)
    line.marks = .init(entry: 1, marks: 2)
    #expect(
      line.shellCommand.contains("-plugin /lib/c.so,entry=0x1,marks=0x2,clock=0x2,out=/tmp/times"))
  }

  @Test func kvm() {
    var configuration = Self.configuration()
    configuration.accelerator = .kvm
    #expect(QEMUCommandLine(configuration).shellCommand.contains(" -cpu host -smp 4 -m 256M "))
    #expect(QEMUCommandLine(configuration).shellCommand.contains(" -accel kvm -kernel "))
  }

  @Test func theKernelSupportsAsManyCPUs() {
    #expect(VirtualMachineConfiguration.maximumCPUs == CPU.maximumCount)
  }

  @Test func kernelCommandLine() {
    var configuration = Self.configuration()
    configuration.programName = "my app"
    configuration.logLevel = .error
    configuration.environment = [
      .init(name: "A", value: "1 2"), .init(name: "EMPTY", value: ""),
    ]
    configuration.arguments = ["--top", "10", "", "--", "ä%\n"]
    #expect(
      QEMUCommandLine(configuration).kernelCommandLine
        == "program=my%20app log=error env.A=1%202 env.EMPTY=% -- --top 10 % -- %C3%A4%25%0A")
  }

  @Test func percentEncodingIsReversible() {
    var generator = SplitMix64(seed: 1)
    for _ in 0..<2000 {
      let scalars = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
        Unicode.Scalar(UInt8.random(in: 0...255, using: &generator))
      }
      let text = String(String.UnicodeScalarView(scalars))
      let word = PercentEncoding.encode(text)
      #expect(!word.isEmpty)
      #expect(word.utf8.allSatisfy { $0 == UInt8(ascii: "%") || PercentEncoding.isUnreserved($0) })
      #expect(PercentEncoding.decode(word) == text)
    }
  }

  @Test func brokenEncodingsAreText() {
    #expect(PercentEncoding.decode("a%2") == "a%2")
    #expect(PercentEncoding.decode("%zz%41%") == "%zzA%")
    #expect(PercentEncoding.decode("%ff") == "\u{fffd}")
  }

  @Test(
    arguments: [
      ("64M", 64 << 20), ("64MiB", 64 << 20), ("64mb", 64 << 20), ("64", 64 << 20), ("1G", 1 << 30),
      ("4096K", 4 << 20), ("2gib", 2 << 30), ("512B", 512), ("1T", 1 << 40),
    ] as [(String, UInt64)])
  func memorySizes(_ text: String, _ bytes: UInt64) {
    #expect(MemorySize(text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "M", "-1M", "1.5G", "5Q", "0", "0M", "1 M", "1MM", "99999999999999999999", "16777216T",
    "٣M",
  ])
  func wrongMemorySizes(_ text: String) {
    #expect(MemorySize(text) == nil)
  }

  @Test func memorySizeDescriptions() {
    #expect(MemorySize(mebibytes: 64).description == "64M")
    #expect(MemorySize(mebibytes: 2048).description == "2G")
    #expect(MemorySize(bytes: 1536).description == "1536B")
    #expect(MemorySize(bytes: 1).roundedUpToMebibytes == MemorySize(mebibytes: 1))
    #expect(MemorySize(bytes: .max).roundedUpToMebibytes > MemorySize(mebibytes: 1 << 40))
  }

  @Test func environmentVariables() {
    #expect(EnvironmentVariable("A=b=c") == .init(name: "A", value: "b=c"))
    #expect(EnvironmentVariable("A=") == .init(name: "A", value: ""))
    for wrong in ["A", "=b", "A B=c", "A%=c", ""] { #expect(EnvironmentVariable(wrong) == nil) }
  }

  @Test func theMonitorIsASocket() {
    var channels = QEMUCommandLine.Channels.pipes
    channels.monitor = 4
    let words = QEMUCommandLine(Self.configuration()).arguments(channels: channels)
    #expect(words.contains("socket,id=monitor,fd=4"))
    #expect(words.contains("chardev=monitor,mode=control"))
    #expect(!QEMUCommandLine(Self.configuration()).shellCommand.contains("monitor"))
  }

  @Test func shellQuoting() {
    #expect(ShellQuoting.quote("a'b c") == #"'a'\''b c'"#)
    #expect(ShellQuoting.quote("") == "''")
    #expect(ShellQuoting.quote("-m=1,2/x.y") == "-m=1,2/x.y")
  }
}
