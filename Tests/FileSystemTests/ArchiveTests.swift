import TestSupport
import Testing

@testable import FileSystem

private func failure(_ bytes: [UInt8]) -> ArchiveError? {
  bytes.withUnsafeBytes { buffer in
    do throws(ArchiveError) {
      _ = try Archive(buffer)
      return nil
    } catch {
      return error
    }
  }
}

private func changed(
  _ fixture: ArchiveFixture, at offset: Int, to text: String
) -> [UInt8] {
  var bytes = fixture.bytes
  bytes.replaceSubrange(offset..<offset + text.utf8.count, with: Array(text.utf8))
  return bytes
}

@Suite struct ArchiveTests {
  private let sound = ArchiveFixture([ArchiveFixture.file("abc", "hello")])

  /// What `printf hi > a; echo a | cpio -o -H newc` gives, with the fields that matter kept.
  @Test func readsBytesWrittenByHand() throws {
    let text =
      "07070100001234000081A4000003E8000003E80000000165000000000000020000000800000001"
      + "000000000000000000000002" + "00000000" + "a\0" + "hi\0\0"
      + "0707010000000000000000000000000000000000000001000000000000000000000000000000000000000000000000"
      + "0000000B" + "00000000" + "TRAILER!!!\0" + "\0\0\0"
    let bytes = Array(text.utf8)
    try bytes.withUnsafeBytes { buffer in
      let archive = try Archive(buffer)
      #expect(archive.entries.count == 1)
      #expect(archive.entries[0].kind == .file)
      #expect(archive.entries[0].mode == 0o100644)
      #expect(Array(buffer[archive.entries[0].contents]) == Array("hi".utf8))
      #expect(archive.paths == Array("a".utf8))
    }
  }

  @Test func normalisesPaths() throws {
    let names = ["./a", "/b", "c//d/./e/", "a", ".", "/", "./"]
    let fixture = ArchiveFixture(names.map { ArchiveFixture.directory($0) })
    try fixture.bytes.withUnsafeBytes { buffer in
      let archive = try Archive(buffer)
      let paths = archive.entries.map { String(decoding: archive.paths[$0.path], as: UTF8.self) }
      #expect(paths == ["a", "b", "c/d/e", "a", "", "", ""])
    }
  }

  @Test(arguments: ["..", "../a", "a/..", "a/../b", "/.."])
  func refusesParents(name: String) {
    let fixture = ArchiveFixture([ArchiveFixture.file(name)])
    #expect(failure(fixture.bytes) == ArchiveError(reason: .parentInPath, offset: 110))
  }

  @Test func namesWithDotsAreNames() {
    #expect(failure(ArchiveFixture([ArchiveFixture.file("...a/..b/c..")]).bytes) == nil)
  }

  @Test func refusesBrokenHeaders() {
    #expect(failure([]) == ArchiveError(reason: .missingTrailer, offset: 0))
    #expect(failure(Array("0707".utf8)) == ArchiveError(reason: .truncated, offset: 0))
    #expect(failure(Array("070701".utf8)) == ArchiveError(reason: .truncated, offset: 0))
    #expect(
      failure(changed(sound, at: 5, to: "7")) == ArchiveError(reason: .badMagic, offset: 0))
    #expect(
      failure(changed(sound, at: 0, to: "1")) == ArchiveError(reason: .badMagic, offset: 0))
    #expect(
      failure([0x1F, 0x8B] + [UInt8](repeating: 7, count: 200))
        == ArchiveError(reason: .badMagic, offset: 0))
    #expect(
      failure(changed(sound, at: 54, to: "+0000005"))
        == ArchiveError(reason: .badField, offset: 54))
    #expect(
      failure(changed(sound, at: 94, to: "00000001"))
        == ArchiveError(reason: .badNameLength, offset: 0))
    #expect(
      failure(changed(sound, at: 94, to: "FFFFFFFF"))
        == ArchiveError(reason: .badNameLength, offset: 0))
    #expect(
      failure(changed(sound, at: 94, to: "00001000"))
        == ArchiveError(reason: .truncated, offset: 0))
    #expect(
      failure(changed(sound, at: 54, to: "ffffffff"))
        == ArchiveError(reason: .truncated, offset: 0))
  }

  @Test func refusesBrokenNamesAndPadding() {
    #expect(
      failure(changed(sound, at: 113, to: "x")) == ArchiveError(reason: .badName, offset: 113))
    #expect(
      failure(changed(sound, at: 111, to: "\0")) == ArchiveError(reason: .badName, offset: 111))
    #expect(
      failure(changed(sound, at: 114, to: "x")) == ArchiveError(reason: .badPadding, offset: 114))
    #expect(
      failure(changed(sound, at: 122, to: "x")) == ArchiveError(reason: .badPadding, offset: 122))
  }

  @Test func everyTruncationIsRefused() {
    let trailerEnd = sound.bytes.count - 3
    for count in 0..<sound.bytes.count {
      let error = failure(Array(sound.bytes[..<count]))
      // The padding behind the trailer may be missing.
      #expect((error == nil) == (count >= trailerEnd), "\(count) bytes")
    }
    let open = ArchiveFixture([ArchiveFixture.file("a")], trailer: false)
    #expect(
      failure(open.bytes) == ArchiveError(reason: .missingTrailer, offset: open.bytes.count))
  }

  @Test func verifiesChecksums() {
    var entry = ArchiveFixture.file("a", "some text")
    entry.hasChecksum = true
    #expect(failure(ArchiveFixture([entry]).bytes) == nil)
    entry.checksum = 1
    #expect(
      failure(ArchiveFixture([entry]).bytes) == ArchiveError(reason: .badChecksum, offset: 0))
    entry.contents = []
    entry.linkCount = 2
    #expect(failure(ArchiveFixture([entry]).bytes) == nil)
  }

  @Test func severalArchivesInARow() throws {
    var first = ArchiveFixture([ArchiveFixture.file("a", "1")])
    first.pad(512)
    let second = ArchiveFixture([ArchiveFixture.file("b", "22")])
    let bytes = first.bytes + second.bytes
    try bytes.withUnsafeBytes { buffer in
      let archive = try Archive(buffer)
      #expect(archive.entries.count == 2)
      #expect(archive.entries[1].offset == 512)
    }
    #expect(failure(bytes + Array("rubbish!".utf8))?.reason == .badMagic)
    #expect(failure(first.bytes + [0] + second.bytes)?.reason == .badPadding)
  }

  @Test func messageSaysWhere() {
    #expect(
      ArchiveError(reason: .badMagic, offset: 512).description
        == "the cpio archive is broken at offset 512: there is no newc header; pack the files anew")
  }

  /// Random changes end in a tree or an error, never in a crash.
  @Test func survivesMutations() {
    var generator = SplitMix64(seed: 7)
    var link = ArchiveFixture.file("hard", "")
    link.linkCount = 2
    link.inode = 7
    var target = link
    target.name = Array("d/target".utf8)
    target.contents = Array("shared".utf8)
    var summed = ArchiveFixture.file("d/sum", "ab")
    summed.hasChecksum = true
    let fixture = ArchiveFixture([
      ArchiveFixture.directory("d"), ArchiveFixture.file("d/a", "text"), link, target, summed,
      ArchiveFixture.file("x/y/z", "deep"),
    ])
    let digits = Array("0123456789abcdefABCDEF/.\0".utf8)
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = fixture.bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let offset = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[offset] =
          Bool.random(using: &generator)
          ? digits.randomElement(using: &generator) ?? 0
          : UInt8.random(in: 0...255, using: &generator)
      }
      if Int.random(in: 0..<10, using: &generator) == 0 {
        bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
      }
      bytes.withUnsafeBytes { buffer in
        guard let tree = try? FileTree(buffer) else { return }
        accepted += 1
        for node in tree.nodes {
          let found = tree.withPath(of: node) { tree.node(at: $0) }
          #expect(found == node)
          #expect(tree.contents(of: node).reduce(0) { $0 + Int($1) } >= 0)
        }
      }
    }
    #expect(accepted > 1000)
  }
}
