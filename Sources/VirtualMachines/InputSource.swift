import Glibc

/// What an application reads as its standard input: bytes of a descriptor, from when the application asks for
/// them. Until then nothing is taken, so that who started the command can still read them.
///
/// They go to the guest's serial port, which knows no end of a file. So the byte DLE begins a word of two:
/// DLE DLE is the byte itself, DLE EOT is the end.
public final class InputSource {
  private static let escape: UInt8 = 0x10
  private static let end: UInt8 = 0x04

  /// The descriptor, or `nil` for an input that is empty.
  private var descriptor: Int32?
  private var isWanted = false
  private var isOver = false
  /// What is on its way.
  private var bytes: [UInt8] = []

  /// The bytes of a descriptor; `nil` for none at all.
  public init(descriptor: Int32?) { self.descriptor = descriptor }

  /// The application has asked.
  func open() {
    if isWanted { return }
    isWanted = true
    if descriptor == nil { endInput() }
  }

  /// The descriptor to read next, when it has bytes: none while the guest is slow.
  var readable: Int32? { isWanted && !isOver && bytes.isEmpty ? descriptor : nil }

  /// Whether there is something to write to the guest.
  var hasBytes: Bool { !bytes.isEmpty }

  /// Reads what there is; the descriptor must be ready.
  func readSome() {
    guard let descriptor else { return }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let size = read(descriptor, &buffer, buffer.count)
    if size > 0 {
      bytes += Self.framed(buffer[..<size])
    } else if size == 0 || (errno != EINTR && errno != EAGAIN) {
      endInput()
    }
  }

  private func endInput() {
    isOver = true
    bytes += [Self.escape, Self.end]
  }

  /// The bytes as they go to the guest.
  static func framed(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { $0 == escape ? [escape, escape] : [$0] }
  }

  /// Writes what the guest takes at once to its socket.
  func writeSome(to socket: FileDescriptor) {
    let size = Glibc.send(socket.number, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    if size > 0 {
      bytes.removeFirst(size)
    } else if size < 0, errno != EINTR, errno != EAGAIN {
      // The guest has ended.
      isOver = true
      bytes = []
    }
  }
}
