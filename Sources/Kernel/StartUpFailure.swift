#if hasFeature(Embedded)
import Console
import Machine

/// Ends the machine when it cannot even start.
enum StartUpFailure {
  /// Says why and powers off.
  static func stop(_ reason: LogMessage) -> Never {
    Log.error("cannot start: \(reason)")
    ConsoleDevice.record("panic")
    PowerControl.powerOff(code: PowerOffCode.panic)
  }
}

/// What `PowerControl.powerOff` is told.
enum PowerOffCode {
  static let exit: UInt32 = 0
  static let panic: UInt32 = 0x20
  static let outOfMemory: UInt32 = 0x21
}
#endif
