#if hasFeature(Embedded)
import Boot
import CMachine
import Console
import Locking
import Machine
import PerCPU
import PhysicalMemory

/// The application: what it was given and how it ends.
public enum Program {
  // Written once at boot, then constant.
  private static let commandLine = Atomic<UInt64>(0)

  private static var line: KernelCommandLine<IdentityMappedMemory>? {
    try? KernelCommandLine(
      at: commandLine.load(ordering: .relaxed), in: IdentityMappedMemory())
  }

  /// Remembers where the kernel's command line is and obeys its options.
  static func adopt(_ line: KernelCommandLine<IdentityMappedMemory>) {
    commandLine.store(line.bytes.lowerBound, ordering: .relaxed)
    guard let level = line.value(of: "log") else { return }
    if line.matches(level, "error") {
      Log.threshold = .error
    } else if line.matches(level, "warning") {
      Log.threshold = .warning
    } else if line.matches(level, "notice") {
      Log.threshold = .notice
    } else if line.matches(level, "info") {
      Log.threshold = .info
    } else if line.matches(level, "debug") {
      Log.threshold = .debug
    } else {
      Log.warning("the log level on the command line is none of error...debug; info is used")
    }
  }

  /// The program's name and its arguments.
  public static var arguments: [String] {
    guard let line else { return ["apus"] }
    var result = [line.value(of: "program").map { decode($0, of: line) } ?? "apus"]
    for argument in line.arguments { result.append(decode(argument, of: line)) }
    return result
  }

  /// The program's environment, in the order given.
  public static var environment: [(name: String, value: String)] {
    guard let line else { return [] }
    var result: [(name: String, value: String)] = []
    for option in line.options {
      guard let name = line.remainder(of: option.key, after: "env."), let value = option.value
      else { continue }
      result.append((decode(name, of: line), decode(value, of: line)))
    }
    return result
  }

  private static func decode(
    _ bytes: Range<UInt64>, of line: KernelCommandLine<IdentityMappedMemory>
  ) -> String {
    var decoded: [UInt8] = []
    line.decode(bytes) { decoded.append($0) }
    return String(decoding: decoded, as: UTF8.self)
  }

  /// Runs `main` and ends the machine with its result. `found` CPUs are in the firmware's tables.
  static func run(found: UInt64) -> Never {
    let online = CPUSet.online.count
    Log.info(
      "\(online) CPUs, \(Processor.interruptControllerName), \(FrameAllocator.shared.freeFrameCount * 4) KiB of memory free"
    )
    ConsoleDevice.record(
      "booted cpus=\(online) found=\(found) microseconds=\(MonotonicClock.nanoseconds / 1000)"
    )
    InstructionMark.pass(InstructionMark.main)
    exit(status: apus_call_main())
  }

  #if CHECKED
  /// Tells `apus run --lock-stats` what was counted of each class of locks.
  private static func recordLocks() {
    LockStatistics.report { figures in
      var line: LogMessage = "lock"
      for index in 0..<8 { line.append(field: figures.values[index]) }
      line.append(byte: 0x20)
      for byte in figures.name { line.append(byte: byte) }
      ConsoleDevice.record(line)
    }
  }
  #endif

  /// Ends the machine; `apus run` ends with the low 8 bits of `status`.
  public static func exit(status: Int32) -> Never {
    InstructionMark.pass(InstructionMark.exit)
    ConsoleDevice.flushOutput()
    #if CHECKED
    recordLocks()
    #endif
    ConsoleDevice.close {
      Panic.recordAtExit()
      ConsoleDevice.recordUnlocked("exit \(UInt8(truncatingIfNeeded: status))")
      PowerControl.powerOff(code: PowerOffCode.exit)
    }
  }
}

/// Memory ran out where Swift cannot say so.
@c(apus_out_of_memory)
public func outOfMemory(_ byteCount: UInt64) -> Never {
  Panic.outOfMemory(
    byteCount, free: UInt64(FrameAllocator.shared.freeFrameCount) * FrameAllocator.frameSize,
    total: UInt64(FrameAllocator.shared.usableFrameCount) * FrameAllocator.frameSize)
}

/// Memory was used wrongly, and this is a checked build: says what was wrong with which address. The
/// report of the trap that follows has the calls that led here.
@c(apus_misuse)
public func misuse(_ reason: UnsafePointer<UInt8>, _ address: UInt64) -> Never {
  var line: LogMessage = ""
  var byte = reason
  while byte.pointee != 0 {
    line.append(byte: byte.pointee)
    byte += 1
  }
  line.append(line: ": \(hex: address)" as LogMessage)
  ConsoleDevice.writeLogUnlocked(line: line)
  fatalError()
}
#endif
