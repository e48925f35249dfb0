import ELF
import Foundation
import TestSupport
import Testing

@Suite struct ELFFileTests {
  private func sample() throws -> ELFFile { try ELFFile(bytes: SampleFile.bytes, path: "sample") }

  @Test func readsTheHeader() throws {
    let file = try sample()
    #expect(file.path == "sample")
    #expect(file.architecture == .x86_64)
    #expect(file.kind == .executable)
    #expect(file.entry == 0x10_0000)
    #expect(file.size == SampleFile.bytes.count)
    for (number, architecture) in [(183, .aarch64), (243, .other(243))]
      as [(UInt16, ELFFile.Architecture)]
    {
      let file = try ELFFile(bytes: ELFBuilder(machine: number).bytes, path: "p")
      #expect(file.architecture == architecture)
    }
    for (number, kind) in [(1, .relocatable), (3, .shared), (4, .core), (0xfe00, .other(0xfe00))]
      as [(UInt16, ELFFile.Kind)]
    {
      #expect(try ELFFile(bytes: ELFBuilder(kind: number).bytes, path: "p").kind == kind)
    }
  }

  @Test func readsSegments() throws {
    let segments = try sample().segments
    #expect(segments.map(\.kind) == [1, 1, 4])
    #expect(segments[0].isExecutable && segments[0].isReadable && !segments[0].isWritable)
    #expect(segments[1].isWritable && !segments[1].isExecutable)
    #expect(segments[1].virtualAddress == SampleFile.data)
    #expect(segments[1].physicalAddress == SampleFile.data)
    #expect(segments[1].fileSize == 640)
    #expect(segments[1].memorySize == 640 + 0x40)
  }

  @Test func readsSections() throws {
    let file = try sample()
    #expect(
      file.sections.map(\.name) == [
        "", ".text", ".data", ".bss", ".note", ".symtab", ".strtab", ".rela.text", ".relr.dyn",
        ".shstrtab",
      ])
    let text = try #require(file.section(named: ".text"))
    #expect(text.isAllocated && text.isExecutable && !text.isWritable && !text.isCompressed)
    #expect(text.address == SampleFile.text)
    #expect(file.withBytes(of: text) { Array($0) } == SampleFile.code)
    #expect(file.withBytes { $0.count } == SampleFile.bytes.count)
    let bss = try #require(file.section(named: ".bss"))
    #expect(bss.isWritable && bss.size == 0x40)
    #expect(file.withBytes(of: bss) { $0.count } == 0, "it takes no place in the file")
    #expect(file.section(named: ".tex") == nil)
  }

  @Test func aSectionOfALargerFileGivesNothing() throws {
    let text = try #require(try sample().section(named: ".rela.text"))
    let small = try ELFFile(bytes: ELFBuilder().bytes, path: "p")
    #expect(small.withBytes(of: text) { $0.count } == 0)
  }

  @Test func compressedSectionsAreMarked() throws {
    var builder = ELFBuilder()
    builder.add(.init(".debug_info", kind: 1, flags: 0x800, content: [1, 2, 3]))
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    #expect(try #require(file.section(named: ".debug_info")).isCompressed)
  }

  @Test func largeNumbersStandInSection0() throws {
    var builder = SampleFile.builder
    builder.usesExtendedNumbering = true
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    let plain = try sample()
    #expect(file.sections.dropFirst() == plain.sections.dropFirst())
    #expect(file.segments == plain.segments)
    #expect(try file.symbols() == plain.symbols())
  }

  @Test func findsThePlaceOfAnAddress() throws {
    let file = try sample()
    let data = try #require(file.section(named: ".data")).offset
    #expect(file.offset(ofAddress: SampleFile.data, size: 640) == data)
    #expect(file.offset(ofAddress: SampleFile.data + 639, size: 1) == data + 639)
    #expect(file.offset(ofAddress: SampleFile.data + 639, size: 2) == nil, "not in the file")
    #expect(file.offset(ofAddress: SampleFile.text - 1, size: 1) == nil)
    #expect(file.offset(ofAddress: .max, size: .max) == nil)
  }

  @Test func readsTheBuildID() throws {
    #expect(try sample().buildID == [0xab, 0xcd, 3])
    var builder = SampleFile.builder
    builder.segments = []
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    #expect(file.buildID == [0xab, 0xcd, 3], "a section is enough")
    #expect(file.note(3, of: "GNU", segmentsOnly: true) == nil)
    #expect(file.note(3, of: "Other") == [9])
    #expect(file.note(3, of: "Oth") == nil)
    #expect(try ELFFile(bytes: ELFBuilder().bytes, path: "p").buildID == nil)
  }

  @Test func notesAreAlignedAsTheirSegment() throws {
    var builder = ELFBuilder()
    var notes: [UInt8] = []
    for (owner, content) in [("GNU", [1, 2, 3, 4]), ("Xen", [5])] as [(String, [UInt8])] {
      notes.append(little: UInt32(4))
      notes.append(little: UInt32(content.count))
      notes.append(little: UInt32(5))
      notes += Array(owner.utf8) + [0] + content
      notes += [UInt8](repeating: 0, count: -notes.count & 7)
    }
    builder.add(.init(".note", kind: 7, content: notes, alignment: 8))
    #expect(try ELFFile(bytes: builder.bytes, path: "p").note(5, of: "Xen") == [5])
  }

  @Test func whatIsNoFileIsRefusedAtOnce() throws {
    let directory = FileManager.default.temporaryDirectory.path + "/elf-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let pipe = directory + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/zero", directory] {
      #expect(
        throws: ELFFile.ReadingError.cannotRead(path: path, reason: "it is no regular file")
      ) { try ELFFile(path: path) }
    }
    let missing = directory + "/missing"
    #expect(
      throws: ELFFile.ReadingError.cannotRead(path: missing, reason: "No such file or directory")
    ) { try ELFFile(path: missing) }
    let empty = directory + "/empty"
    try Data().write(to: URL(fileURLWithPath: empty))
    #expect(throws: ELFFile.ReadingError.notELF(path: empty)) { try ELFFile(path: empty) }
    let good = directory + "/good"
    try Data(SampleFile.bytes).write(to: URL(fileURLWithPath: good))
    #expect(try ELFFile(path: good).symbols() == sample().symbols())
  }

  @Test func messagesSayWhatToDo() {
    typealias Failure = ELFFile.ReadingError
    #expect(
      Failure.cannotRead(path: "a", reason: "No such file").description
        == "cannot read a: No such file")
    #expect(Failure.notELF(path: "a").description == "a is no ELF file; give a linked image")
    #expect(
      Failure.unsupported(path: "a", what: "32-bit code").description
        == "a has 32-bit code; give a 64-bit little-endian image")
    #expect(
      Failure.truncated(path: "a", what: "its header is incomplete").description
        == "a is damaged: its header is incomplete; link it again")
  }
}
