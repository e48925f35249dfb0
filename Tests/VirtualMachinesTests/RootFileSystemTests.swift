import Foundation
import Testing
import VirtualMachines

@Suite("Root file system")
struct RootFileSystemTests {
  @Test("packs files, directories and links in the order of their bytes") func contents() throws {
    let work = try PackedTree()
    try work.write("b/inner.txt", "inner")
    try work.write("a.txt", "first")
    try work.write("B.txt", "capital")
    try work.write("empty", "")
    try work.makeLink("link", to: "b/inner.txt")
    try work.makeLink("dangling", to: "/nowhere")
    let archive = try work.pack()
    let entries = try readNewc(archive.path)
    #expect(
      entries.map(\.name)
        == ["B.txt", "a.txt", "b", "b/inner.txt", "dangling", "empty", "link"])
    #expect(
      entries.map { String(decoding: $0.data, as: UTF8.self) }
        == ["capital", "first", "", "inner", "/nowhere", "", "b/inner.txt"])
    #expect(
      entries.map { $0.mode & S_IFMT }
        == [S_IFREG, S_IFREG, S_IFDIR, S_IFREG, S_IFLNK, S_IFREG, S_IFLNK])
    #expect(archive.fileCount == 4)
    #expect(archive.skipped.isEmpty)
    #expect(try Data(contentsOf: URL(fileURLWithPath: archive.path)).count == archive.byteCount)
  }

  @Test("says nothing of times, owners and inodes") func deterministic() throws {
    let first = try PackedTree()
    let second = try PackedTree()
    for (work, names) in [(first, ["x", "y", "z"]), (second, ["z", "y", "x"])] {
      for name in names { try work.write("d/\(name)", name) }
    }
    try second.setModificationDate("d/x", Date(timeIntervalSince1970: 1_000_000))
    let archives = [try first.pack(), try second.pack()]
    let bytes = try archives.map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
    #expect(bytes[0] == bytes[1])
    for entry in try readNewc(archives[0].path) {
      #expect(entry.modified == 0)
      #expect(entry.owner == 0)
    }
    #expect(try readNewc(archives[0].path).map(\.inode) == [1, 2, 3, 4])
  }

  @Test("keeps permission bits") func permissions() throws {
    let work = try PackedTree()
    try work.write("tool", "#!")
    try work.setPermissions("tool", 0o751)
    #expect(try readNewc(try work.pack().path).first?.mode == S_IFREG | 0o751)
  }

  @Test("packs a hard link as a file of its own") func hardLink() throws {
    let work = try PackedTree()
    try work.write("one", "shared")
    #expect(link(work.path("one"), work.path("two")) == 0)
    let entries = try readNewc(try work.pack().path)
    #expect(entries.map { String(decoding: $0.data, as: UTF8.self) } == ["shared", "shared"])
    #expect(entries.map(\.inode) == [1, 2])
  }

  @Test("packs names that are not UTF-8") func anyName() throws {
    let work = try PackedTree()
    let path = Array(work.tree.path.utf8) + [0x2F, 0xFF, 0xC3]
    let file = open(path.map { CChar(bitPattern: $0) } + [0], O_CREAT | O_WRONLY, 0o644)
    #expect(file >= 0)
    close(file)
    try work.write("Größe", "x")
    let entries = try readNewc(try work.pack().path)
    #expect(entries.map(\.nameBytes) == [Array("Größe".utf8), [0xFF, 0xC3]])
  }

  @Test("packs an empty directory") func emptyDirectory() throws {
    let work = try PackedTree()
    let archive = try work.pack()
    #expect(archive.fileCount == 0)
    #expect(try readNewc(archive.path).isEmpty)
  }

  @Test("leaves out pipes and says so") func pipes() throws {
    let work = try PackedTree()
    try work.write("file", "x")
    #expect(mkfifo(work.path("pipe"), 0o600) == 0)
    let archive = try work.pack()
    #expect(archive.skipped == ["pipe"])
    #expect(try readNewc(archive.path).map(\.name) == ["file"])
  }

  @Test("does not pack the archive itself") func outputInside() throws {
    let work = try PackedTree()
    try work.write("file", "x")
    let archive = try RootFileSystem.pack(
      directory: work.tree.path, to: work.path("zz.cpio"))
    #expect(try readNewc(archive.path).map(\.name) == ["file"])
  }

  @Test("refuses a file that the format cannot hold") func tooLarge() throws {
    let work = try PackedTree()
    try work.write("huge", "")
    #expect(truncate(work.path("huge"), 5 << 30) == 0)
    #expect(
      throws: RootFileSystemError.tooLarge(path: work.path("huge"), byteCount: 5 << 30)
    ) { try work.pack() }
    #expect(!FileManager.default.fileExists(atPath: work.archive))
  }

  @Test("refuses a file that grows while it is packed") func changing() throws {
    // Its status says 0 bytes, but it has some: like a file that has grown since.
    try #require(FileManager.default.fileExists(atPath: "/proc/self/fdinfo"))
    let work = try PackedTree()
    #expect {
      try RootFileSystem.pack(directory: "/proc/self/fdinfo", to: work.archive)
    } throws: { error in
      guard case RootFileSystemError.changed(let path)? = error as? RootFileSystemError else {
        return false
      }
      return path.hasPrefix("/proc/self/fdinfo/")
    }
    #expect(!FileManager.default.fileExists(atPath: work.archive))
  }

  @Test("names what cannot be read", .enabled(if: getuid() != 0)) func unreadable() throws {
    let work = try PackedTree()
    try work.write("secret", "x")
    try work.setPermissions("secret", 0)
    #expect(
      throws: RootFileSystemError.unreadable(
        path: work.path("secret"), reason: "Permission denied")
    ) { try work.pack() }
    #expect(!FileManager.default.fileExists(atPath: work.archive))
  }

  @Test("refuses what is not a directory, and replaces nothing then") func notADirectory() throws {
    let work = try PackedTree()
    try work.write("file", "x")
    #expect(throws: RootFileSystemError.notADirectory(path: work.path("file"))) {
      try RootFileSystem.pack(directory: work.path("file"), to: work.path("file"))
    }
    #expect(FileManager.default.fileExists(atPath: work.path("file")))
    #expect(
      throws: RootFileSystemError.unreadable(
        path: "/nonexistent", reason: "No such file or directory")
    ) { try RootFileSystem.pack(directory: "/nonexistent", to: work.archive) }
  }

  @Test("says when the archive cannot be written") func cannotWrite() throws {
    let work = try PackedTree()
    #expect {
      try RootFileSystem.pack(directory: work.tree.path, to: "/nonexistent/archive")
    } throws: { error in
      guard case RootFileSystemError.cannotWrite? = error as? RootFileSystemError else {
        return false
      }
      return "\(error)".contains("/nonexistent/archive")
    }
  }

  @Test(
    "is understood by cpio",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cpio")))
  func cpio() throws {
    let work = try PackedTree()
    try work.write("d/one", String(repeating: "1", count: 1_000_001))
    try work.write("two", "2")
    try work.makeLink("three", to: "two")
    let archive = try work.pack()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/cpio")
    process.arguments = ["-it", "--quiet", "-F", archive.path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let listing = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(String(decoding: listing, as: UTF8.self) == "d\nd/one\nthree\ntwo\n")
  }
}
