import FileSystem
import TestSupport
import Testing

/// Hands the tree of the entries to `body`, while the archive is in place.
private func withTree(
  _ entries: [ArchiveFixture.Entry], _ body: (FileTree) throws -> Void
) throws {
  try ArchiveFixture(entries).bytes.withUnsafeBytes { buffer in
    try body(try FileTree(buffer))
  }
}

extension FileTree {
  fileprivate func text(at path: String) -> String? {
    node(at: path).map { String(decoding: contents(of: $0), as: UTF8.self) }
  }

  fileprivate func names(in path: String) -> [String]? {
    node(at: path).map { directory in
      children(of: directory).map { withName(of: $0) { String(decoding: $0, as: UTF8.self) } }
    }
  }

  fileprivate var paths: [String] {
    nodes.map { withPath(of: $0) { String(decoding: $0, as: UTF8.self) } }
  }
}

@Suite struct FileTreeTests {
  @Test func findsAndLists() throws {
    try withTree([
      ArchiveFixture.directory("."), ArchiveFixture.file("./etc/motd", "welcome"),
      ArchiveFixture.directory("etc"), ArchiveFixture.file("a-b", "1"),
      ArchiveFixture.file("a/z", "2"), ArchiveFixture.file("a/b/c", "3"),
      ArchiveFixture.file("a.txt", ""),
      ArchiveFixture.Entry(
        name: Array("link".utf8), mode: 0o120777, contents: Array("etc/motd".utf8)),
      ArchiveFixture.Entry(name: Array("tty".utf8), mode: 0o020600),
    ]) { tree in
      #expect(tree.text(at: "etc/motd") == "welcome")
      #expect(tree.text(at: "/etc//./motd") == "welcome")
      #expect(tree.names(in: "/") == ["a", "a-b", "a.txt", "etc", "link", "tty"])
      #expect(tree.names(in: "a") == ["b", "z"])
      #expect(tree.names(in: "a-b") == [])
      #expect(tree.node(at: "a/b").map(tree.kind) == .directory)
      #expect(tree.node(at: "a/b").map(tree.mode) == 0o040755)
      #expect(tree.node(at: "etc").map(tree.mode) == 0o040700)
      #expect(tree.node(at: "link").map(tree.kind) == .symbolicLink)
      #expect(tree.text(at: "link") == "etc/motd")
      #expect(tree.node(at: "tty").map(tree.kind) == .other)
      #expect(tree.node(at: "") == tree.root)
      #expect(tree.parent(of: tree.root) == nil)
      #expect(tree.node(at: "a/b/c").flatMap(tree.parent) == tree.node(at: "a/b"))
      for missing in ["b", "a/b/c/d", "etc/mot", "etc/motdd", "a/../a", ".."] {
        #expect(tree.node(at: missing) == nil, "\(missing)")
      }
      #expect(
        tree.paths == [
          "", "a", "a/b", "a/b/c", "a/z", "a-b", "a.txt", "etc", "etc/motd", "link", "tty",
        ])
    }
  }

  @Test func emptyArchiveIsAnEmptyRoot() throws {
    try withTree([]) { tree in
      #expect(tree.count == 1)
      #expect(tree.kind(of: tree.root) == .directory)
      #expect(tree.names(in: "/") == [])
    }
  }

  @Test func laterEntriesReplaceEarlierOnes() throws {
    try withTree([
      ArchiveFixture.file("a", "old"), ArchiveFixture.file("b", "was a file"),
      ArchiveFixture.file("./a", "new"), ArchiveFixture.directory("b"),
      ArchiveFixture.file("b/c", "below"),
    ]) { tree in
      #expect(tree.text(at: "a") == "new")
      #expect(tree.text(at: "b/c") == "below")
      #expect(tree.count == 4)
    }
  }

  @Test func pathsThroughFilesAreRefused() {
    for entries in [
      [ArchiveFixture.file("a", "x"), ArchiveFixture.file("a/b", "y")],
      [ArchiveFixture.file("a/b/c", "x"), ArchiveFixture.file("a", "y")],
      [ArchiveFixture.file("/", "root")],
    ] {
      #expect(throws: ArchiveError.self) { try withTree(entries) { _ in } }
    }
  }

  @Test func hardLinksShareTheirContents() throws {
    func link(_ name: String, _ contents: String, inode: UInt32) -> ArchiveFixture.Entry {
      ArchiveFixture.Entry(
        name: Array(name.utf8), contents: Array(contents.utf8), inode: inode, linkCount: 3)
    }
    try withTree([
      link("a", "", inode: 5), link("other", "", inode: 6), link("b", "", inode: 5),
      link("c", "shared", inode: 5), link("first", "early", inode: 8), link("second", "", inode: 8),
      ArchiveFixture.Entry(name: Array("single".utf8), inode: 5),
    ]) { tree in
      #expect(tree.text(at: "a") == "shared")
      #expect(tree.text(at: "b") == "shared")
      #expect(tree.text(at: "c") == "shared")
      #expect(tree.text(at: "other") == "")
      #expect(tree.text(at: "second") == "early")
      #expect(tree.text(at: "single") == "")
    }
  }

  @Test func inodesOfDifferentArchivesAreDifferent() throws {
    func link(_ name: String, _ contents: String) -> ArchiveFixture.Entry {
      ArchiveFixture.Entry(
        name: Array(name.utf8), contents: Array(contents.utf8), inode: 5, linkCount: 2)
    }
    var first = ArchiveFixture([link("a", "")])
    first.pad(4)
    let bytes = first.bytes + ArchiveFixture([link("b", "text")]).bytes
    try bytes.withUnsafeBytes { buffer in
      let tree = try FileTree(buffer)
      #expect(tree.text(at: "a") == "")
      #expect(tree.text(at: "b") == "text")
    }
  }

  @Test func namesOfAnyBytes() throws {
    let name: [UInt8] = [0xFF, 0x01, 0x20, 0x80]
    try withTree([ArchiveFixture.Entry(name: name, contents: [1])]) { tree in
      let node = name.withUnsafeBytes { tree.node(at: $0) }
      #expect(node.map { Array(tree.contents(of: $0)) } == [1])
    }
  }

  @Test func aHundredThousandFiles() throws {
    var generator = SplitMix64(seed: 8)
    let entries = (0..<100_000).shuffled(using: &generator).map { index in
      ArchiveFixture.file("dir\(index % 100)/sub\(index % 1000)/file\(index)", "\(index)")
    }
    let bytes = ArchiveFixture(entries).bytes
    let clock = ContinuousClock()
    try bytes.withUnsafeBytes { buffer in
      var result: Result<FileTree, ArchiveError>?
      let duration = clock.measure {
        result = Result { () throws(ArchiveError) in try FileTree(buffer) }
      }
      let tree = try #require(try result?.get())
      #expect(tree.count == 1 + 100 + 1000 + 100_000)
      #expect(tree.text(at: "dir42/sub842/file99842") == "99842")
      #expect(tree.names(in: "dir7/sub7")?.count == 100)
      // A debug build takes some seconds; anything quadratic would take hours.
      #expect(duration < .seconds(120))
    }
  }
}
