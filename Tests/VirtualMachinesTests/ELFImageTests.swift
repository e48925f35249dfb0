import Foundation
import TestSupport
import Testing

@testable import VirtualMachines

/// An ELF file with a PVH note and a symbol table, made for the tests.
enum SampleELF {
  static let functions: [(name: String, address: UInt64, size: UInt64)] = [
    ("apus_pvh_entry", 0x100000, 0x10), ("$s4Main3fooyyF", 0x100010, 0x20),
    ("assembly", 0x100040, 0), ("apus_marks", 0x100060, 64),
    ("apus_trap_stubs", 0x1000a0, 0xff9),
  ]

  static var bytes: [UInt8] { bytes(reads: false) }

  /// The same, of an application that `reads` its standard input.
  static func bytes(reads: Bool) -> [UInt8] {
    var file = AcceleratorProbe.guest
    var names: [UInt8] = [0]
    var symbols = [UInt8](repeating: 0, count: 24)
    for function in functions + (reads ? [("apus_start_console_input", 0x100030, 0x10)] : []) {
      symbols += number(UInt32(names.count)) + [0x12, 0] + number(UInt16(1))
      symbols += number(function.address) + number(function.size)
      names += Array(function.name.utf8) + [0]
    }
    let symbolsAt = UInt64(file.count)
    file += symbols
    let namesAt = UInt64(file.count)
    file += names
    let sectionsAt = UInt64(file.count)
    file += [UInt8](repeating: 0, count: 64)
    file += section(kind: 2, at: symbolsAt, size: symbols.count, link: 2)
    file += section(kind: 3, at: namesAt, size: names.count, link: 0)
    file.replaceSubrange(40..<48, with: number(sectionsAt))
    file.replaceSubrange(60..<62, with: number(UInt16(3)))
    return file
  }

  private static func section(kind: UInt32, at: UInt64, size: Int, link: UInt32) -> [UInt8] {
    number(UInt32(0)) + number(kind) + number(UInt64(0)) + number(UInt64(0)) + number(at)
      + number(UInt64(size)) + number(link) + number(UInt32(0)) + number(UInt64(8))
      + number(UInt64(24))
  }

  static func number(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

@Suite struct ELFImageTests {
  @Test func readsSegmentsAndSymbols() throws {
    let image = try ELFImage(bytes: SampleELF.bytes, path: "sample")
    #expect(image.hasEntryNote)
    #expect(image.segments.map(\.physicalAddress) == [0x100000])
    #expect(image.end == 0x100000 + 14)
    #expect(image.strippedSize == 14)
    #expect(image.symbols.address(of: "apus_marks") == 0x100060)
    #expect(image.symbols.address(of: "nothing") == nil)
    #expect(image.symbols.function(named: "assembly")?.address == 0x100040)
    #expect(image.symbols.function(named: "nothing") == nil)
    #expect(
      QEMUCommandLine.VectorStubs(image) == .init(address: 0x1000a0, size: 0xff9))
    #expect(QEMUCommandLine.Marks(image.symbols) == .init(entry: 0x100000, marks: 0x100060))
  }

  @Test func aFileWithoutNoteIsNoImage() throws {
    var bytes = SampleELF.bytes
    // The type of the second program header, PT_NOTE.
    bytes.replaceSubrange(64 + 56..<64 + 60, with: SampleELF.number(UInt32(0)))
    #expect(try !ELFImage(bytes: bytes, path: "sample").hasEntryNote)
  }

  @Test func otherFilesAreRefused() {
    #expect(throws: ELFImage.ReadingError.notELF(path: "p")) {
      try ELFImage(bytes: Array("#!/bin/sh".utf8), path: "p")
    }
    #expect(throws: ELFImage.ReadingError.notELF(path: "p")) { try ELFImage(bytes: [], path: "p") }
    var bytes = SampleELF.bytes
    bytes[18] = 183
    #expect(throws: ELFImage.ReadingError.notX86(path: "p")) {
      try ELFImage(bytes: bytes, path: "p")
    }
  }

  @Test func whatIsNoFileIsRefusedAtOnce() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let pipe = directory.path("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/zero", directory.base] {
      #expect(
        throws: ELFImage.ReadingError.cannotRead(path: path, reason: "it is no regular file")
      ) { try ELFImage(path: path) }
    }
  }

  @Test func ofALargeFileThatIsNoImageLittleIsRead() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("disk")
    try Data("disk".utf8).write(to: URL(fileURLWithPath: path))
    #expect(truncate(path, 1 << 40) == 0)
    #expect(throws: ELFImage.ReadingError.notELF(path: path)) { try ELFImage(path: path) }
  }

  @Test func everyTruncationIsSafe() {
    let bytes = SampleELF.bytes
    for count in 0..<bytes.count {
      #expect(throws: ELFImage.ReadingError.self) {
        try ELFImage(bytes: Array(bytes[..<count]), path: "p")
      }
    }
  }

  @Test func mutationsNeverCrash() {
    var generator = SplitMix64(seed: 2)
    let original = SampleELF.bytes
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = original
      for _ in 0...Int.random(in: 0..<4, using: &generator) {
        let place = Int.random(in: 16..<bytes.count, using: &generator)
        if Bool.random(using: &generator) {
          bytes[place] = UInt8.random(in: 0...255, using: &generator)
        } else if place + 8 <= bytes.count {
          bytes.replaceSubrange(
            place..<place + 8,
            with: SampleELF.number(UInt64.max - UInt64.random(in: 0..<64, using: &generator)))
        }
      }
      guard let image = try? ELFImage(bytes: bytes, path: "p") else { continue }
      accepted += 1
      for address in [0, 0x100014, UInt64.max] {
        _ = image.symbols.function(at: address, isReturnAddress: true)
      }
      _ = image.symbols.address(of: "apus_marks")
      _ = VirtualMachine.neededMemory(image: image, initrdSize: .max / 2)
    }
    #expect(accepted > 1000)
  }

  @Test func symbolisesBacktraces() throws {
    let symbols = try ELFImage(bytes: SampleELF.bytes, path: "sample").symbols
    func line(_ text: String) -> String { Backtrace.symbolise(text, symbols) }
    #expect(line("  #0 0x0000000000100004") == "  #0 0x0000000000100004 apus_pvh_entry + 0x4")
    #expect(line("  #1 0x0000000000100010") == "  #1 0x0000000000100010 apus_pvh_entry + 0x10")
    #expect(
      line("   #12 0x0000000000100020 cpu1")
        == "   #12 0x0000000000100020 cpu1 Main.foo() + 0x10")
    for other in [
      "  #1 0x0000000000500000", " #1 0x0000000000100010", "  #x 0x0000000000100010",
      "  #1 0x100010", "  #1", "  #-1 0x0000000000100010", "", "text  #1 0x0000000000100010",
    ] {
      #expect(line(other) == other)
    }
  }
}
