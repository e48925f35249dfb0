import CLibArchive
import Foundation

/// A directory of the host packed into the archive that becomes a virtual machine's root file
/// system: cpio in the "new ASCII" format (newc), which boot loaders hand over as the initrd.
///
/// Equal directories give equal archives, byte for byte: names are sorted by their bytes, times
/// and owners are zero, and inode numbers count from 1. Permission bits are kept. A hard link
/// becomes a file of its own.
public enum RootFileSystem {
  /// The largest file that the format can hold: its size has eight hexadecimal digits.
  public static let maximumFileSize: Int64 = 0xFFFF_FFFF

  /// Packs everything below `directory` into a new archive at `path`.
  ///
  /// Regular files, directories and symbolic links are packed, links as links. Files of other
  /// kinds are left out and listed in the result. Files are streamed, never held in memory. On an
  /// error nothing is left at `path`.
  public static func pack(
    directory: String, to path: String
  ) throws(RootFileSystemError) -> PackedArchive {
    let root = FilePath(directory)
    try requireDirectory(root)
    let writer = try ArchiveWriter(path: path)
    var packer = DirectoryPacker(root: root, writer: writer)
    do {
      try packer.packContents(of: FilePath(""))
      try writer.close()
    } catch {
      unlink(path)
      throw error
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .cannotWrite(path: path, reason: lastSystemError())
    }
    return PackedArchive(
      path: path, byteCount: Int64(status.st_size), fileCount: packer.fileCount,
      skipped: packer.skipped)
  }

  /// Called before the archive is made, so that a mistaken call replaces no file.
  private static func requireDirectory(_ path: FilePath) throws(RootFileSystemError) {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0 else {
      throw .unreadable(path: path.displayed, reason: lastSystemError())
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .notADirectory(path: path.displayed)
    }
  }
}

/// An archive that `RootFileSystem` has made.
public struct PackedArchive: Equatable, Sendable {
  /// Where it is.
  public let path: String
  /// Its size in bytes.
  public let byteCount: Int64
  /// How many regular files it holds.
  public let fileCount: Int
  /// Sockets, devices and pipes that were left out, relative to the packed directory.
  public let skipped: [String]
}

/// Why a directory cannot be packed.
public enum RootFileSystemError: Error, Equatable, CustomStringConvertible {
  case notADirectory(path: String)
  case unreadable(path: String, reason: String)
  case changed(path: String)
  case tooLarge(path: String, byteCount: Int64)
  case cannotWrite(path: String, reason: String)

  public var description: String {
    switch self {
    case .notADirectory(let path):
      "\(path) is not a directory: give the directory whose contents become the root file system"
    case .unreadable(let path, let reason):
      "cannot read \(path): \(reason)"
    case .changed(let path):
      "\(path) changed while it was being packed: try again when nothing writes to it"
    case .tooLarge(let path, let byteCount):
      "\(path) has \(byteCount) bytes; a root file system holds files of at most "
        + "\(RootFileSystem.maximumFileSize) bytes: leave it out or split it"
    case .cannotWrite(let path, let reason):
      "cannot write the root file system \(path): \(reason)"
    }
  }
}

/// A path as the system sees it: bytes, which need not be UTF-8.
private struct FilePath {
  var bytes: [UInt8]

  init(_ string: String) { bytes = Array(string.utf8) }
  init(bytes: [UInt8]) { self.bytes = bytes }

  func appending(_ name: [UInt8]) -> FilePath {
    FilePath(bytes: bytes.isEmpty ? name : bytes + [UInt8(ascii: "/")] + name)
  }

  /// Calls `body` with the path as a C string.
  func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    body(bytes.map { CChar(bitPattern: $0) } + [0])
  }

  /// For people: bytes that are not UTF-8 are replaced.
  var displayed: String { String(decoding: bytes, as: UTF8.self) }
}

private func lastSystemError() -> String { String(cString: strerror(errno)) }

/// Walks a directory and hands its entries to the writer.
private struct DirectoryPacker {
  let root: FilePath
  let writer: ArchiveWriter
  private(set) var fileCount = 0
  private(set) var skipped: [String] = []

  init(root: FilePath, writer: ArchiveWriter) {
    self.root = root
    self.writer = writer
  }

  /// Packs what is in `directory`, a path relative to the root.
  mutating func packContents(of directory: FilePath) throws(RootFileSystemError) {
    for name in try sortedNames(in: directory) {
      try pack(directory.appending(name))
    }
  }

  private mutating func pack(_ relative: FilePath) throws(RootFileSystemError) {
    let source = root.appending(relative.bytes)
    var status = stat()
    guard source.withCString({ lstat($0, &status) }) == 0 else {
      throw .unreadable(path: source.displayed, reason: lastSystemError())
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      try writer.beginEntry(relative, mode: status.st_mode, size: 0)
      try packContents(of: relative)
    case S_IFLNK:
      try packLink(relative, source: source, mode: status.st_mode)
    case S_IFREG:
      // The archive itself may be below the directory.
      if writer.isOutput(status) { return }
      try packFile(relative, source: source)
      fileCount += 1
    default:
      skipped.append(relative.displayed)
    }
  }

  private func packLink(
    _ relative: FilePath, source: FilePath, mode: mode_t
  ) throws(RootFileSystemError) {
    let capacity = Int(PATH_MAX)
    var target = [CChar](repeating: 0, count: capacity)
    let length = source.withCString { readlink($0, &target, capacity) }
    guard length >= 0 else {
      throw .unreadable(path: source.displayed, reason: lastSystemError())
    }
    let bytes = target.prefix(length).map { UInt8(bitPattern: $0) }
    try writer.beginEntry(relative, mode: mode, size: 0, linkTarget: FilePath(bytes: bytes))
  }

  private func packFile(_ relative: FilePath, source: FilePath) throws(RootFileSystemError) {
    // Another process may replace the file by a link or a pipe after it was looked at: a link is
    // not followed, and opening a pipe does not wait.
    let file = source.withCString { open($0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
    guard file >= 0 else {
      throw .unreadable(path: source.displayed, reason: lastSystemError())
    }
    defer { _ = Foundation.close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .changed(path: source.displayed)
    }
    let size = Int64(status.st_size)
    guard size <= RootFileSystem.maximumFileSize else {
      throw .tooLarge(path: source.displayed, byteCount: size)
    }
    try writer.beginEntry(relative, mode: status.st_mode, size: size)
    let copied = try copy(file, source: source, limit: size)
    guard copied == size else { throw .changed(path: source.displayed) }
  }

  /// Copies a file's bytes into the archive; stops once there are more than `limit` of them.
  private func copy(
    _ file: Int32, source: FilePath, limit: Int64
  ) throws(RootFileSystemError) -> Int64 {
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var copied: Int64 = 0
    while true {
      let count = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw .unreadable(path: source.displayed, reason: lastSystemError())
      }
      if count == 0 { return copied }
      copied += Int64(count)
      if copied > limit { return copied }
      try writer.append(buffer[..<count])
    }
  }

  /// The names in a directory but `.` and `..`, sorted by their bytes.
  private func sortedNames(in directory: FilePath) throws(RootFileSystemError) -> [[UInt8]] {
    let path = root.appending(directory.bytes)
    guard let stream = path.withCString({ opendir($0) }) else {
      throw .unreadable(path: path.displayed, reason: lastSystemError())
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8) && name != Array("..".utf8) { names.append(name) }
    }
    guard errno == 0 else {
      throw .unreadable(path: path.displayed, reason: lastSystemError())
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }
}

/// An archive being written.
private final class ArchiveWriter {
  private let path: String
  private let archive: OpaquePointer
  private let entry: OpaquePointer
  private var identity = stat()
  private var entryCount: Int64 = 0

  init(path: String) throws(RootFileSystemError) {
    guard let archive = archive_write_new(), let entry = archive_entry_new() else {
      throw .cannotWrite(path: path, reason: "not enough memory")
    }
    self.path = path
    self.archive = archive
    self.entry = entry
    try check(archive_write_set_format_cpio_newc(archive))
    // Without this the archive ends with up to 10 KB of zeros, tape style.
    try check(archive_write_set_bytes_in_last_block(archive, 1))
    try check(archive_write_open_filename(archive, path))
    guard stat(path, &identity) == 0 else {
      throw .cannotWrite(path: path, reason: lastSystemError())
    }
  }

  deinit {
    archive_entry_free(entry)
    archive_write_free(archive)
  }

  /// Whether a file that was found is the archive that is being written.
  func isOutput(_ status: stat) -> Bool {
    status.st_dev == identity.st_dev && status.st_ino == identity.st_ino
  }

  func beginEntry(
    _ name: FilePath, mode: mode_t, size: Int64, linkTarget: FilePath? = nil
  ) throws(RootFileSystemError) {
    entryCount += 1
    archive_entry_clear(entry)
    name.withCString { archive_entry_set_pathname(entry, $0) }
    archive_entry_set_mode(entry, mode)
    archive_entry_set_size(entry, size)
    archive_entry_set_ino64(entry, entryCount)
    archive_entry_set_nlink(entry, 1)
    archive_entry_set_mtime(entry, 0, 0)
    if let linkTarget {
      linkTarget.withCString { archive_entry_set_symlink(entry, $0) }
    }
    try check(archive_write_header(archive, entry))
  }

  func append(_ bytes: ArraySlice<UInt8>) throws(RootFileSystemError) {
    let written = bytes.withUnsafeBytes {
      archive_write_data(archive, $0.baseAddress, $0.count)
    }
    guard written == bytes.count else { throw failure }
  }

  func close() throws(RootFileSystemError) {
    try check(archive_write_close(archive))
  }

  private func check(_ result: Int32) throws(RootFileSystemError) {
    guard result == ARCHIVE_OK else { throw failure }
  }

  private var failure: RootFileSystemError {
    let reason = archive_error_string(archive).map { String(cString: $0) }
    return .cannotWrite(path: path, reason: reason ?? "unknown error of libarchive")
  }
}
