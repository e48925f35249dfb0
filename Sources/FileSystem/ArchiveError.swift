/// Why an archive is refused. Offsets count bytes from the beginning of the archive.
public struct ArchiveError: Error, Equatable, Sendable {
  /// What is wrong.
  public enum Reason: Equatable, Sendable {
    /// The archive ends in the middle of an entry.
    case truncated
    /// The archive ends without an entry named `TRAILER!!!`.
    case missingTrailer
    /// No `070701` or `070702` stands where an entry must begin.
    case badMagic
    /// A field of a header has other characters than hexadecimal digits.
    case badField
    /// A name has no bytes, or more than 4096.
    case badNameLength
    /// A name does not end with its only NUL.
    case badName
    /// A name has a component `..`.
    case parentInPath
    /// The bytes that fill up to a multiple of 4 are not NULs.
    case badPadding
    /// The sum of a file's bytes is not what the header says.
    case badChecksum
    /// A path leads through something that is not a directory.
    case notADirectory
    /// The archive is larger than 2 GiB.
    case tooLarge
  }

  /// What is wrong.
  public let reason: Reason
  /// Where it is wrong.
  public let offset: Int
}

extension ArchiveError: CustomStringConvertible {
  /// One line that says what is wrong and what to do.
  public var description: String {
    let text =
      switch reason {
      case .truncated: "it ends in the middle of an entry"
      case .missingTrailer: "it ends without a trailer"
      case .badMagic: "there is no newc header"
      case .badField: "a header's field is not hexadecimal"
      case .badNameLength: "a name is empty or longer than 4096 bytes"
      case .badName: "a name is not ended by its only NUL"
      case .parentInPath: "a path has a component \"..\""
      case .badPadding: "the padding is not zero"
      case .badChecksum: "a file's checksum is wrong"
      case .notADirectory: "a path leads through something that is not a directory"
      case .tooLarge: "it is larger than 2 GiB"
      }
    return "the cpio archive is broken at offset \(offset): \(text); pack the files anew"
  }
}
