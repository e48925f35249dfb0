import Glibc

/// The bytes of a file, which nobody changes while they are read.
///
/// A file is mapped, not copied: pages that are never looked at cost nothing. Whoever makes a
/// mapped file shorter meanwhile ends this process by SIGBUS, so what outlives the reading of a
/// file (its names, its segments) is copied out of it.
final class FileContent: @unchecked Sendable {
  // Sendable: the bytes are written before the initialiser returns, and never again.

  /// Why a file cannot be read, in the system's words.
  struct Failure: Error {
    let reason: String

    /// The system's words for the last error.
    init() { reason = String(cString: strerror(errno)) }

    init(_ reason: String) { self.reason = reason }
  }

  let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  /// Maps a regular file: a pipe would be waited for, and a device may have no end.
  init(path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure() }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Failure() }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure("it is no regular file") }
    isMapped = status.st_size > 0
    guard isMapped else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let size = Int(status.st_size)
    let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    // MAP_FAILED is (void *)-1, which Swift does not import.
    guard let start, start != UnsafeMutableRawPointer(bitPattern: -1) else { throw Failure() }
    bytes = UnsafeRawBufferPointer(start: start, count: size)
  }

  /// Copies bytes that are in memory already.
  init(_ content: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: content.count, alignment: 8)
    copy.copyBytes(from: content)
    bytes = UnsafeRawBufferPointer(copy)
    isMapped = false
  }

  deinit {
    if isMapped, let start = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    } else {
      bytes.deallocate()
    }
  }

  /// A little-endian number, or `nil` when it does not lie in the file.
  func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at offset: Int
  ) -> Value? {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Value>.size else { return nil }
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
  }

  /// The range of a part, or `nil` when it does not lie in the file.
  func range(offset: UInt64, size: UInt64) -> Range<Int>? {
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, end <= UInt64(bytes.count) else { return nil }
    return Int(offset)..<Int(end)
  }
}
