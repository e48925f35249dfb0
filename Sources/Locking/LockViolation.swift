#if CHECKED
import Machine

/// The end after a broken rule of locking.
enum LockViolation {
  /// Says which lock broke which rule, and which other lock is concerned, and traps. Past all locks:
  /// the console's may be the one.
  @inline(never)
  static func report(
    _ lock: LockIdentity, _ rule: StaticString, _ other: LockIdentity? = nil
  ) -> Never {
    write("lock \"")
    write(lock)
    write(" ")
    write(rule)
    if let other {
      write(" \"")
      write(other)
    }
    write("\n")
    fatalError()
  }

  private static func write(_ lock: LockIdentity) {
    write(lock.name)
    write("\" of level ")
    // Levels have one digit or two.
    if lock.rank > 9 { writeDigit(lock.rank / 10) }
    writeDigit(lock.rank % 10)
  }

  private static func writeDigit(_ digit: Int) {
    withUnsafeBytes(of: UInt8(truncatingIfNeeded: 0x30 + digit)) { write($0) }
  }

  private static func write(_ text: StaticString) {
    write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func write(_ bytes: UnsafeRawBufferPointer) {
    let channel: OutputChannel = OutputChannel.hasDebugConsole ? .debugConsole : .serial
    channel.write(bytes)
  }
}
#endif
