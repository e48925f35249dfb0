/// Builds a newc cpio archive.
struct ArchiveFixture {
  struct Entry {
    var name: [UInt8]
    var mode: UInt32 = 0o100644
    var contents: [UInt8] = []
    var inode: UInt32 = 0
    var linkCount: UInt32 = 1
    var hasChecksum = false
    var checksum: UInt32?
  }

  private(set) var bytes: [UInt8] = []

  static func file(_ name: String, _ contents: String = "") -> Entry {
    Entry(name: Array(name.utf8), contents: Array(contents.utf8))
  }

  static func directory(_ name: String) -> Entry {
    Entry(name: Array(name.utf8), mode: 0o040700)
  }

  init(_ entries: [Entry], trailer: Bool = true) {
    for entry in entries { append(entry) }
    if trailer { append(Entry(name: Array("TRAILER!!!".utf8), mode: 0)) }
  }

  private static func hexadecimal(_ value: UInt32) -> [UInt8] {
    (0..<8).map { index in
      Array("0123456789ABCDEF".utf8)[Int(value >> (28 - 4 * UInt32(index))) & 0xF]
    }
  }

  private mutating func append(_ entry: Entry) {
    let sum = entry.checksum ?? entry.contents.reduce(0) { $0 &+ UInt32($1) }
    let fields: [UInt32] = [
      entry.inode, entry.mode, 0, 0, entry.linkCount, 0, UInt32(entry.contents.count), 0, 0, 0, 0,
      UInt32(entry.name.count + 1), entry.hasChecksum ? sum : 0,
    ]
    bytes += Array((entry.hasChecksum ? "070702" : "070701").utf8)
    for field in fields { bytes += Self.hexadecimal(field) }
    bytes += entry.name + [0]
    pad(4)
    bytes += entry.contents
    pad(4)
  }

  /// Fills up with NULs to a multiple of `count` bytes.
  mutating func pad(_ count: Int) {
    while bytes.count % count != 0 { bytes.append(0) }
  }
}
