/// A 64-bit little-endian ELF file, of which nothing is believed that lies outside its bytes
/// (System V ABI, Object Files; the structures are in elf(5)).
public struct ELFImage: Sendable {
  /// Why a file is no image.
  public enum ReadingError: Error, Equatable, CustomStringConvertible {
    case cannotRead(path: String, reason: String)
    case notELF(path: String)
    case notX86(path: String)
    case truncated(path: String)
    case noEntryNote(path: String)

    public var description: String {
      switch self {
      case .cannotRead(let path, let reason): "cannot read \(path): \(reason)"
      case .notELF(let path):
        "\(path) is no ELF file; give a package's directory or an image that `apus build` made"
      case .notX86(let path): "\(path) is no image for x86_64; build it with `apus build`"
      case .truncated(let path): "\(path) is damaged: its headers point outside of it; rebuild it"
      case .noEntryNote(let path):
        "\(path) has no PVH entry, so it is no Apus image; build one with `apus build`"
      }
    }
  }

  /// A part of the file that is loaded into memory.
  public struct Segment: Equatable, Sendable {
    /// Where it stands in physical memory.
    public var physicalAddress: UInt64
    /// The bytes that it has in the file.
    public var fileSize: UInt64
    /// The bytes that it takes in memory.
    public var memorySize: UInt64
  }

  /// What is loaded, in the order of the file.
  public let segments: [Segment]
  /// Whether a note gives the 32-bit entry by which virtual machine monitors start the kernel.
  public let hasEntryNote: Bool
  /// The size of the file.
  public let fileSize: Int
  /// The sum of the sizes of the file's parts that a loaded image needs: what is left of the file
  /// when symbols and debugging information are stripped, but for the headers.
  public let strippedSize: UInt64
  /// The functions and other names.
  public let symbols: SymbolTable

  /// The first address above everything that is loaded.
  public var end: UInt64 {
    segments.map { $0.physicalAddress.addingReportingOverflow($0.memorySize) }
      .map { $0.overflow ? .max : $0.partialValue }.max() ?? 0
  }

  /// Reads an image and requires that it can be booted.
  public init(path: String) throws(ReadingError) {
    let bytes: [UInt8]
    do { bytes = try File.read(path, ifBeginningWith: Self.magic) } catch {
      throw .cannotRead(path: path, reason: error.description)
    }
    try self.init(bytes: bytes, path: path)
    guard hasEntryNote else { throw .noEntryNote(path: path) }
  }

  /// Reads an image from its bytes; `path` is for messages.
  public init(bytes: [UInt8], path: String) throws(ReadingError) {
    let reader = ByteReader(bytes: bytes)
    guard bytes.starts(with: Self.magic) else { throw .notELF(path: path) }
    guard bytes.count > 5, bytes[4] == 2, bytes[5] == 1, reader.uint16(18) == Self.machineX86 else {
      throw .notX86(path: path)
    }
    do {
      let header = try Header(reader)
      var segments: [Segment] = []
      var hasEntryNote = false
      for index in 0..<header.segmentCount {
        let at = header.segmentOffset(index)
        let kind = try reader.required(uint32: at)
        let offset = try reader.required(uint64: at + 8)
        let fileSize = try reader.required(uint64: at + 32)
        guard let content = reader.range(offset: offset, size: fileSize) else {
          throw OutOfBounds()
        }
        if kind == Self.loaded {
          segments.append(
            Segment(
              physicalAddress: try reader.required(uint64: at + 24), fileSize: fileSize,
              memorySize: try reader.required(uint64: at + 40)))
        } else if kind == Self.note {
          hasEntryNote = hasEntryNote || Self.hasEntry(reader, notes: content)
        }
      }
      self.segments = segments
      self.hasEntryNote = hasEntryNote
      self.fileSize = bytes.count
      strippedSize = segments.reduce(0) { $0 &+ $1.fileSize }
      symbols = try SymbolTable(reader, header)
    } catch {
      throw .truncated(path: path)
    }
  }

  private static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
  private static let machineX86: UInt16 = 62
  private static let loaded: UInt32 = 1
  private static let note: UInt32 = 4

  /// Whether the notes hold XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h: type 18).
  private static func hasEntry(_ reader: ByteReader, notes: Range<Int>) -> Bool {
    var at = notes.lowerBound
    while at + 12 <= notes.upperBound, let nameSize = reader.uint32(at),
      let size = reader.uint32(at + 4), let kind = reader.uint32(at + 8)
    {
      if kind == 18, nameSize == 4, reader.string(at + 12) == "Xen" { return true }
      at += 12 + (Int(nameSize) + 3) & ~3 + (Int(size) + 3) & ~3
    }
    return false
  }
}

/// The places that the file's header names.
struct Header {
  let segmentCount: Int
  let sectionCount: Int
  private let segments: UInt64
  private let segmentSize: UInt64
  private let sections: UInt64
  private let sectionSize: UInt64

  init(_ reader: ByteReader) throws(OutOfBounds) {
    segments = try reader.required(uint64: 32)
    sections = try reader.required(uint64: 40)
    segmentSize = UInt64(try reader.required(uint16: 54))
    segmentCount = Int(try reader.required(uint16: 56))
    sectionSize = UInt64(try reader.required(uint16: 58))
    sectionCount = Int(try reader.required(uint16: 60))
    let end = UInt64(reader.bytes.count)
    // The products have 32 bits, so that no sum below overflows.
    guard segments <= end, segments + UInt64(segmentCount) * segmentSize <= end,
      sections <= end, sections + UInt64(sectionCount) * sectionSize <= end,
      segmentCount == 0 || segmentSize >= 56, sectionCount == 0 || sectionSize >= 64
    else { throw OutOfBounds() }
  }

  /// The place of a program header.
  func segmentOffset(_ index: Int) -> Int {
    Int(segments + UInt64(index) * segmentSize)
  }

  /// The place of a section header.
  func sectionOffset(_ index: Int) -> Int {
    Int(sections + UInt64(index) * sectionSize)
  }
}

/// A place outside of a file.
struct OutOfBounds: Error {}

/// Little-endian numbers and strings at places in bytes; `nil` outside of them.
struct ByteReader {
  let bytes: [UInt8]

  func integer<Integer: FixedWidthInteger>(_ offset: Int, as: Integer.Type) -> Integer? {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Integer>.size else { return nil }
    return bytes.withUnsafeBytes {
      Integer(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }
  }

  func uint16(_ offset: Int) -> UInt16? { integer(offset, as: UInt16.self) }
  func uint32(_ offset: Int) -> UInt32? { integer(offset, as: UInt32.self) }
  func uint64(_ offset: Int) -> UInt64? { integer(offset, as: UInt64.self) }

  func required(uint16 offset: Int) throws(OutOfBounds) -> UInt16 {
    guard let value = uint16(offset) else { throw OutOfBounds() }
    return value
  }
  func required(uint32 offset: Int) throws(OutOfBounds) -> UInt32 {
    guard let value = uint32(offset) else { throw OutOfBounds() }
    return value
  }
  func required(uint64 offset: Int) throws(OutOfBounds) -> UInt64 {
    guard let value = uint64(offset) else { throw OutOfBounds() }
    return value
  }

  /// The range of a part of the bytes, or `nil` when it does not lie in them.
  func range(offset: UInt64, size: UInt64) -> Range<Int>? {
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, end <= UInt64(bytes.count) else { return nil }
    return Int(offset)..<Int(end)
  }

  /// The string that ends before the next zero byte.
  func string(_ offset: Int) -> String? {
    guard offset >= 0, offset < bytes.count,
      let end = bytes[offset...].firstIndex(of: 0)
    else { return nil }
    return String(decoding: bytes[offset..<end], as: UTF8.self)
  }
}
