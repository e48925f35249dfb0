import Machine
import PerCPU

/// The kernel's log: `[    0.001234] cpu0 info: text`, one line a call, on the log channel.
public enum Log {
  /// How much a line matters; lines below the threshold are not even composed.
  public enum Level: UInt8, Sendable {
    case error, warning, notice, info, debug

    var name: StaticString {
      switch self {
      case .error: "error"
      case .warning: "warning"
      case .notice: "notice"
      case .info: "info"
      case .debug: "debug"
      }
    }
  }

  private static let level = Atomic<UInt8>(Level.info.rawValue)

  /// The least important level that is written.
  public static var threshold: Level {
    get { Level(rawValue: level.load(ordering: .relaxed)) ?? .debug }
    set { level.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// Something failed that the user must know of.
  @inline(__always)
  public static func error(_ message: @autoclosure () -> LogMessage) { log(.error, message) }
  /// Something is not as it should be, and the machine runs on.
  @inline(__always)
  public static func warning(_ message: @autoclosure () -> LogMessage) { log(.warning, message) }
  /// Something unusual that is no fault.
  @inline(__always)
  public static func notice(_ message: @autoclosure () -> LogMessage) { log(.notice, message) }
  /// What the machine is doing.
  @inline(__always)
  public static func info(_ message: @autoclosure () -> LogMessage) { log(.info, message) }
  /// What only who looks for a fault wants to know.
  @inline(__always)
  public static func debug(_ message: @autoclosure () -> LogMessage) { log(.debug, message) }

  @inline(__always)
  private static func log(_ level: Level, _ message: () -> LogMessage) {
    if level.rawValue <= Self.level.load(ordering: .relaxed) { write(level, message()) }
  }

  @inline(never)
  private static func write(_ level: Level, _ message: LogMessage) {
    let microseconds = MonotonicClock.nanoseconds / 1000
    var line: LogMessage = "["
    line.append(decimal: microseconds / 1_000_000, width: 5, padding: 0x20)
    line.append(byte: 0x2E)
    line.append(decimal: microseconds % 1_000_000, width: 6)
    line.append("] cpu")
    line.append(decimal: UInt64(CPU.current.index))
    line.append(byte: 0x20)
    line.append(level.name)
    line.append(": ")
    line.append(line: message)
    ConsoleDevice.writeLog(line: line)
  }
}
