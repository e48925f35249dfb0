#if hasFeature(Embedded)
import Console
import PerCPU

/// Text to the world outside.
///
/// Lines never mix, whichever CPUs they come from: each call writes all it is given in one piece.
/// `print` works too and writes complete lines.
public enum Console {
  /// Writes to standard output. Not in interrupt handlers.
  public static func write(_ text: String) {
    // All strings of an image lie in one piece; `withUTF8` would bring what copies others.
    text.utf8.withContiguousStorageIfAvailable { write(UnsafeRawBufferPointer($0)) }
  }

  /// Writes bytes to standard output.
  public static func write(_ bytes: UnsafeRawBufferPointer) {
    ConsoleDevice.flushOutput()
    ConsoleDevice.writeOutput(bytes)
  }

  /// Writes a line to standard error, which is also where the kernel's log goes.
  public static func error(_ text: String) {
    var line: [UInt8] = []
    line.reserveCapacity(text.utf8.count + 1)
    line.append(contentsOf: text.utf8)
    line.append(0x0A)
    line.withUnsafeBytes { ConsoleDevice.writeLog($0) }
  }

  /// Whether the user asked for silence: nothing but errors is to be said on standard error.
  public static var isQuiet: Bool { Log.threshold.rawValue <= Log.Level.error.rawValue }

  /// Tells `apus` something; see `LogMessage` for the longest text. Of no effect without `apus`.
  public static func record(_ text: LogMessage) { ConsoleDevice.record(text) }
}
#endif
