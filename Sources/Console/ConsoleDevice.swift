import Locking
import Machine
import PerCPU

/// The two ways that text leaves the machine, and the promise that lines never mix: whatever is
/// written by one call goes out whole.
///
/// The channel for the application's standard output is the serial port. The log goes to the debug
/// console where there is one, else to the serial port too.
public enum ConsoleDevice {
  struct Channels {
    var log = OutputChannel.serial
  }

  /// Taken with interrupts off: handlers log too.
  private static let channels = SpinLock(Channels())

  /// Finds out where the log can go. On the boot CPU, before anything is written.
  public static func configure() {
    if OutputChannel.hasDebugConsole {
      channels.withLockAndInterruptsDisabled { $0.log = .debugConsole }
    }
  }

  /// Writes bytes to the application's standard output, whole. Any context.
  public static func writeOutput(_ bytes: UnsafeRawBufferPointer) {
    channels.withLockAndInterruptsDisabled { _ in OutputChannel.serial.write(bytes) }
  }

  /// Writes bytes to the log channel, whole. Any context.
  public static func writeLog(_ bytes: UnsafeRawBufferPointer) {
    channels.withLockAndInterruptsDisabled { $0.log.write(bytes) }
  }

  /// Writes a line to the log channel. Any context.
  public static func writeLog(line: LogMessage) {
    var line = line
    line.endLine()
    line.withBytes { writeLog($0) }
  }

  /// Writes a line past the lock: for a panic, when all other CPUs have been stopped, perhaps
  /// with the lock in their hands.
  public static func writeLogUnlocked(line: LogMessage) {
    var line = line
    line.endLine()
    let channel: OutputChannel = OutputChannel.hasDebugConsole ? .debugConsole : .serial
    line.withBytes { channel.write($0) }
  }

  /// Tells `apus` something: a line that starts with the byte 1 and is not shown to the user.
  /// Without `apus` at the other end, nothing is written.
  public static func record(_ text: LogMessage) {
    if OutputChannel.hasDebugConsole { writeLog(line: recordLine(text)) }
  }

  /// The same past the lock, see `writeLogUnlocked`.
  public static func recordUnlocked(_ text: LogMessage) {
    if OutputChannel.hasDebugConsole { writeLogUnlocked(line: recordLine(text)) }
  }

  private static func recordLine(_ text: LogMessage) -> LogMessage {
    var line = LogMessage()
    line.append(byte: 1)
    line.append(text)
    return line
  }
}
