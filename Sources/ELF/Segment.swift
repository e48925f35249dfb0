extension ELFFile {
  /// A part of the file that a program header describes.
  public struct Segment: Equatable, Sendable {
    /// What it is for: `loaded`, `note` or another of the ABI's numbers.
    public let kind: UInt32
    /// PF_X, PF_W, PF_R and bits of the system.
    public let flags: UInt32
    /// Where its bytes begin in the file.
    public let offset: UInt64
    /// Where it stands in memory as the code sees it.
    public let virtualAddress: UInt64
    /// Where it stands in physical memory, if the image cares.
    public let physicalAddress: UInt64
    /// The number of bytes that it has in the file; they all lie in it.
    public let fileSize: UInt64
    /// The number of bytes that it takes in memory; the rest is zero.
    public let memorySize: UInt64
    /// The alignment of its address in bytes; 0 and 1 are none.
    public let alignment: UInt64

    /// PT_LOAD: what is in memory when the program runs.
    public static let loaded: UInt32 = 1
    /// PT_NOTE
    public static let note: UInt32 = 4
    private static let unused: UInt32 = 0

    public var isExecutable: Bool { flags & 1 != 0 }
    public var isWritable: Bool { flags & 2 != 0 }
    public var isReadable: Bool { flags & 4 != 0 }

    static func all(
      _ table: Table, _ content: FileContent, path: String
    ) throws(ReadingError) -> [Self] {
      var segments: [Self] = []
      segments.reserveCapacity(table.count)
      for index in 0..<table.count {
        let segment = Self(table, index)
        guard segment.kind == unused || segment.isConsistent(in: content) else {
          throw .truncated(path: path, what: "its segment \(index) lies outside of it")
        }
        segments.append(segment)
      }
      return segments
    }

    private init(_ table: Table, _ index: Int) {
      kind = table.load(UInt32.self, index, at: 0)
      flags = table.load(UInt32.self, index, at: 4)
      offset = table.load(UInt64.self, index, at: 8)
      virtualAddress = table.load(UInt64.self, index, at: 16)
      physicalAddress = table.load(UInt64.self, index, at: 24)
      fileSize = table.load(UInt64.self, index, at: 32)
      memorySize = table.load(UInt64.self, index, at: 40)
      alignment = table.load(UInt64.self, index, at: 48)
    }

    /// Whether its bytes lie in the file and, if it is loaded, in memory.
    private func isConsistent(in content: FileContent) -> Bool {
      guard content.range(offset: offset, size: fileSize) != nil else { return false }
      return kind != Self.loaded
        || fileSize <= memorySize && !virtualAddress.addingReportingOverflow(memorySize).overflow
    }
  }
}
