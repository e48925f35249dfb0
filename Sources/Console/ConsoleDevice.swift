import Locking
import Machine
import PerCPU

/// The two ways that text leaves the machine, and the promise that lines never mix: whatever is
/// written by one call goes out whole.
///
/// The channel for the application's standard output is the serial port. The log goes to the debug
/// console where there is one, else to the serial port too.
public enum ConsoleDevice {
  struct LogChannel {
    var channel = OutputChannel.serial
  }

  private enum OutputLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = OutputLevel
    static var name: StaticString { "output" }
  }

  private enum LogLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "log" }
  }

  /// The serial port as standard output. With interrupts on, since its user may be slow.
  private static let output = SpinLock<OutputLock, Bool>(true)
  /// Interrupt-safe: handlers log too.
  private static let log = SpinLock<LogLock, LogChannel>(LogChannel())

  private static let logIsApart = Atomic<UInt8>(0)

  /// Whether the log has a channel of its own.
  public static var isLogApart: Bool { logIsApart.load(ordering: .relaxed) != 0 }

  /// Finds out where the log can go. On the boot CPU, before anything is written.
  public static func configure() {
    guard OutputChannel.hasDebugConsole else { return }
    logIsApart.store(1, ordering: .relaxed)
    log.withLockAndInterruptsDisabled { $0.channel = .debugConsole }
  }

  /// Writes bytes to the application's standard output, whole. Not in interrupt handlers.
  public static func writeOutput(_ bytes: UnsafeRawBufferPointer) {
    output.withLockNesting { _, held in
      if isLogApart {
        OutputChannel.serial.write(bytes)
      } else {
        log.withLockAndInterruptsDisabled(inside: held.weakened.weakened.weakened) { _ in
          OutputChannel.serial.write(bytes)
        }
      }
    }
  }

  /// Writes bytes to the log channel, whole. Any context.
  public static func writeLog(_ bytes: UnsafeRawBufferPointer) {
    log.withLockAndInterruptsDisabled { $0.channel.write(bytes) }
  }

  /// Keeps all from writing, when no CPU is in the middle of a line, while `end` ends the machine: it writes
  /// past the lock.
  public static func close(_ end: () -> Never) -> Never {
    output.withLockNesting { _, held in
      log.withLockAndInterruptsDisabled(inside: held.weakened.weakened.weakened) { _ in end() }
    }
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
  @inline(never)
  public static func recordUnlocked(_ text: LogMessage) {
    if OutputChannel.hasDebugConsole { writeLogUnlocked(line: recordLine(text)) }
  }

  private static func recordLine(_ text: LogMessage) -> LogMessage {
    var line = LogMessage()
    line.append(byte: 1)
    line.append(line: text)
    return line
  }
}
