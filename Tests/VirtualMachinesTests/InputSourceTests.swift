import Foundation
import Testing

@testable import VirtualMachines

/// What an application reads: `InputSource`, from a pipe to the socket of a script in QEMU's place.
@Suite struct InputSourceTests {
  @Test func theByteThatBeginsAWordIsDoubled() {
    #expect(
      InputSource.framed([0x61, 0x10, 0x04, 0x10, 0x10]) == [
        0x61, 0x10, 0x10, 4, 0x10, 0x10, 0x10, 0x10,
      ])
    #expect(InputSource.framed([]) == [])
  }

  /// Asks for input, and writes out as many bytes as it is to get, in hexadecimal. In a pipeline, 1 is the pipe.
  private static func reader(_ count: Int) throws -> FalseQEMU {
    try FalseQEMU(
      """
      printf '\\001input\\n' >&3
      exec 5<&1; head -c \(count) <&5 | od -An -v -tx1 | tr -d ' \\n' >&1
      printf '\\001exit 0\\n' >&3; exit 1
      """)
  }

  private static func source(of bytes: [UInt8]) throws -> (InputSource, Pipe) {
    let pipe = Pipe()
    try pipe.fileHandleForWriting.write(contentsOf: Data(bytes))
    try pipe.fileHandleForWriting.close()
    return (InputSource(descriptor: pipe.fileHandleForReading.fileDescriptor), pipe)
  }

  @Test func theGuestGetsTheInputAndItsEnd() throws {
    let (source, pipe) = try Self.source(of: Array("a\u{10}b\n".utf8))
    let result = try Self.reader(7).run(input: source)
    #expect(String(decoding: result.output, as: UTF8.self) == "611010620a1004")
    withExtendedLifetime(pipe) {}
  }

  @Test func anInputThatIsEmptyEndsAtOnce() throws {
    let result = try Self.reader(2).run()
    #expect(String(decoding: result.output, as: UTF8.self) == "1004")
  }

  @Test func nothingIsTakenFromAnInputThatNobodyAsksFor() throws {
    let (source, pipe) = try Self.source(of: Array("later\n".utf8))
    let result = try FalseQEMU("sleep 0.3; printf '\\001exit 0\\n' >&3; exit 1").run(input: source)
    #expect(result.outcome.reason == .exited(status: 0))
    #expect(try pipe.fileHandleForReading.readToEnd() == Data("later\n".utf8))
  }

  /// Counted runs are the same to the last instruction only without a way in.
  @Test(arguments: [true, false])
  func theConsoleIsASocketOnlyForWhoReads(reads: Bool) throws {
    let qemu = try FalseQEMU("echo \"$*\" >&1; printf '\\001exit 0\\n' >&3; exit 1", reads: reads)
    let result = try qemu.run()
    let words = String(decoding: result.output, as: UTF8.self)
    #expect(words.contains(reads ? "socket,id=console" : "file,id=console"))
  }

  @Test func anImageWithoutNamesMayRead() throws {
    #expect(try ELFImage(bytes: SampleELF.bytes(reads: true), path: "sample").mayReadInput)
    #expect(try !ELFImage(bytes: SampleELF.bytes(reads: false), path: "sample").mayReadInput)
    #expect(try ELFImage(bytes: AcceleratorProbe.guest, path: "sample").mayReadInput)
  }

  @Test func anInputOfManyBytesArrivesWhole() throws {
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
    let file = try VirtualMachines.TemporaryDirectory()
    defer { file.remove() }
    try Data(bytes).write(to: URL(fileURLWithPath: file.path("input")))
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file.path("input")))
    let source = InputSource(descriptor: handle.fileDescriptor)
    let framed = InputSource.framed(bytes) + [0x10, 4]
    let qemu = try FalseQEMU(
      """
      printf '\\001input\\n' >&3
      exec 5<&1; head -c \(framed.count) <&5 | cksum >&1
      printf '\\001exit 0\\n' >&3; exit 1
      """)
    let result = try qemu.run(input: source)
    let expected = try FalseQEMU.checksum(framed)
    #expect(String(decoding: result.output, as: UTF8.self) == expected)
    withExtendedLifetime(handle) {}
  }
}

extension FalseQEMU {
  /// What `cksum` says of bytes.
  static func checksum(_ bytes: [UInt8]) throws -> String {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("bytes")
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    var output: [UInt8] = []
    let process = ChildProcess(path: "/bin/sh", arguments: ["-c", "cksum < '\(path)'"])
    _ = try process.run { descriptor, bytes in if descriptor == 1 { output += bytes } }
    return String(decoding: output, as: UTF8.self)
  }
}
