#if hasFeature(Embedded)
import Console
import Interrupts
import Kernel
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

  /// The next line of standard input, without its line feed unless it is asked for; `nil` at the end of the
  /// input. Waits for it. The last line need not have a line feed. What is no UTF-8 is repaired. Lines go to the
  /// threads that ask, each whole. The input is that of `apus run`, from when it is asked for first; ends the
  /// program where the machine has no way to be interrupted by a serial port. Not in interrupt handlers.
  public static func readLine(strippingNewline: Bool = true) -> String? {
    var line: [UInt8] = []
    let isComplete = read { byte in
      line.append(byte)
      return byte == 0x0A
    }
    if isComplete && strippingNewline { line.removeLast() }
    return isComplete || !line.isEmpty ? String(decoding: line, as: UTF8.self) : nil
  }

  /// The next byte of standard input; `nil` at its end. Waits for it. Not in interrupt handlers.
  public static func readByte() -> UInt8? {
    var result: UInt8?
    _ = read { byte in
      result = byte
      return true
    }
    return result
  }

  private static func read(_ body: (UInt8) -> Bool) -> Bool {
    do throws(InterruptError) {
      return try ConsoleInput.read(body)
    } catch {
      Log.error("standard input: \(error)")
      exit(1)
    }
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
