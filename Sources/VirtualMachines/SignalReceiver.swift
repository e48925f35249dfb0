import CHost
import Glibc

/// Receives INT, TERM and HUP in place of their default action, for a process with one thread.
///
/// Receivers nest: a signal that arrives while only the outer one exists is seen by the next
/// inner one, so that a program can finish a step before it heeds the signal.
public struct SignalReceiver {
  let descriptor: FileDescriptor
  private var previous = sigset_t()

  /// Takes the signals over.
  public init() throws(ChildProcess.Failure) {
    let number = chost_receive_signals(&previous)
    guard number >= 0 else {
      throw ChildProcess.Failure(
        description: "cannot receive signals: \(String(cString: strerror(-number)))")
    }
    descriptor = FileDescriptor(number: number)
  }

  /// A signal that has arrived, or `nil`.
  public func next() -> Int32? {
    let signal = chost_next_signal(descriptor.number)
    return signal == 0 ? nil : signal
  }

  /// Gives the signals back what they did before; one that was not taken acts now.
  public func stop() {
    withUnsafePointer(to: previous) { chost_stop_receiving_signals(descriptor.number, $0) }
  }
}
