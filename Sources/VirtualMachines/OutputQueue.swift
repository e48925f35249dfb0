import Glibc

/// Bytes on their way to a descriptor whose reader may be slow: the loop goes on meanwhile.
public final class OutputQueue {
  /// The descriptor that the bytes are written to.
  public let descriptor: Int32
  private var bytes: [UInt8] = []
  private var written = 0
  /// Why bytes could not be written and are lost, in the system's words.
  public private(set) var failure: String?

  public init(descriptor: Int32) { self.descriptor = descriptor }

  /// Whether nothing waits to be written.
  public var isEmpty: Bool { written == bytes.count }

  /// Whether the sender is to be stopped until the reader has caught up.
  var isFull: Bool { bytes.count - written > 1 << 18 }

  /// Appends bytes, to be written as soon as the reader takes them.
  public func append(_ more: some Sequence<UInt8>) {
    bytes.append(contentsOf: more)
  }

  /// Writes what the reader takes at once; the descriptor must be ready for writing.
  func writeSome() {
    // A pipe that is ready takes this much without blocking (pipe(7), PIPE_BUF).
    let count = min(bytes.count - written, 4096)
    let size = bytes[written..<written + count].withUnsafeBytes {
      write(descriptor, $0.baseAddress, $0.count)
    }
    if size >= 0 {
      written += size
    } else if errno != EINTR && errno != EAGAIN {
      failure = String(cString: strerror(errno))
      written = bytes.count
    }
    if written == bytes.count {
      bytes.removeAll(keepingCapacity: true)
      written = 0
    }
  }
}
