import ELF

/// An image that virtual machine monitors can boot: an ELF file for x86-64 with a PVH entry.
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

  /// Whether the application may read its standard input. One without symbols may.
  ///
  /// Only an image that does not read gets no way in, and only without one are two runs under the clock of
  /// instructions the same to the last one: QEMU looks after it whenever the host lets it.
  public var mayReadInput: Bool {
    symbols.isEmpty || symbols.address(of: "apus_start_console_input") != nil
  }

  /// The first address above everything that is loaded.
  public var end: UInt64 {
    segments.map { $0.physicalAddress.addingReportingOverflow($0.memorySize) }
      .map { $0.overflow ? .max : $0.partialValue }.max() ?? 0
  }

  /// Reads an image and requires that it can be booted.
  public init(path: String) throws(ReadingError) {
    do { try self.init(ELFFile(path: path)) } catch { throw ReadingError(error) }
    guard hasEntryNote else { throw .noEntryNote(path: path) }
  }

  /// Reads an image from its bytes; `path` is for messages.
  public init(bytes: [UInt8], path: String) throws(ReadingError) {
    do { try self.init(ELFFile(bytes: bytes, path: path)) } catch { throw ReadingError(error) }
  }

  private init(_ file: ELFFile) throws(ELFFile.ReadingError) {
    guard file.architecture == .x86_64 else {
      throw .unsupported(path: file.path, what: "code for another architecture")
    }
    segments = file.segments.filter { $0.kind == ELFFile.Segment.loaded }.map {
      Segment(
        physicalAddress: $0.physicalAddress, fileSize: $0.fileSize, memorySize: $0.memorySize)
    }
    // XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h)
    hasEntryNote = file.note(18, of: "Xen", segmentsOnly: true) != nil
    fileSize = file.size
    strippedSize = segments.reduce(0) { $0 &+ $1.fileSize }
    symbols = SymbolTable(try file.symbols())
  }
}

extension ELFImage.ReadingError {
  /// The same in the words of someone who wants to boot the file.
  fileprivate init(_ error: ELFFile.ReadingError) {
    self =
      switch error {
      case .cannotRead(let path, let reason): .cannotRead(path: path, reason: reason)
      case .notELF(let path): .notELF(path: path)
      case .unsupported(let path, _): .notX86(path: path)
      case .truncated(let path, _): .truncated(path: path)
      }
  }
}
