#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The interrupt controller of each CPU (volume 3, chapter 11): end of interrupt, interrupts to
/// other CPUs, and the timer's registers.
enum LocalAPIC {
  /// Register offsets of the memory-mapped form; a register's MSR is 0x800 + offset / 16.
  enum Register: UInt32 {
    case endOfInterrupt = 0xB0
    case spuriousVector = 0xF0
    case command = 0x300
    case commandHigh = 0x310
    case timer = 0x320
    case line0 = 0x350
    case line1 = 0x360
    case error = 0x370
    case timerInitialCount = 0x380
    case timerCurrentCount = 0x390
    case timerDivide = 0x3E0
  }

  /// Address of the registers, or 0 in x2APIC mode. Written once by the boot CPU before any other
  /// runs.
  private static let base = Atomic<UInt64>(0xFEE0_0000)

  private static let enabledBit: UInt64 = 1 << 11
  private static let x2APICBit: UInt64 = 1 << 10
  private static let bootProcessorBit: UInt64 = 1 << 8
  private static let masked: UInt32 = 1 << 16
  /// A line's delivery as an NMI (volume 3, 11.5.1).
  private static let nonMaskableLine: UInt32 = 0x400

  /// Where the registers are, by the CPU's own word: the firmware's tables may err.
  static var physicalBase: UInt64 {
    apus_rdmsr(ModelSpecificRegister.apicBase) & 0x000F_FFFF_FFFF_F000
  }

  /// Chooses the mode, on the boot CPU.
  static func choose() {
    base.store(ProcessorFeatures.hasX2APIC ? 0 : physicalBase, ordering: .relaxed)
  }

  static var isX2APIC: Bool { base.load(ordering: .relaxed) == 0 }

  /// Turns the controller of the calling CPU on, with its local lines masked. Only the boot CPU
  /// takes NMIs from outside, by line 1: the wish of whoever watches the machine to know where it
  /// is.
  static func enable() {
    var control = apus_rdmsr(ModelSpecificRegister.apicBase) | enabledBit
    // xAPIC must be on before x2APIC may be (volume 3, 11.12.5), hence two writes.
    apus_wrmsr(ModelSpecificRegister.apicBase, control)
    if isX2APIC {
      control |= x2APICBit
      apus_wrmsr(ModelSpecificRegister.apicBase, control)
    }
    write(.line0, masked)
    write(.line1, control & bootProcessorBit != 0 ? nonMaskableLine : masked)
    write(.error, masked)
    write(.timer, masked)
    write(.spuriousVector, 0x100 | UInt32(InterruptVector.spurious.rawValue))
  }

  @inline(__always)
  static func read(_ register: Register) -> UInt32 {
    let base = base.load(ordering: .relaxed)
    if base != 0 { return apus_mmio_read32(base + UInt64(register.rawValue)) }
    return UInt32(
      truncatingIfNeeded: apus_rdmsr(ModelSpecificRegister.x2APIC + register.rawValue >> 4))
  }

  @inline(__always)
  static func write(_ register: Register, _ value: UInt32) {
    let base = base.load(ordering: .relaxed)
    if base != 0 {
      apus_mmio_write32(base + UInt64(register.rawValue), value)
    } else {
      apus_wrmsr(ModelSpecificRegister.x2APIC + register.rawValue >> 4, UInt64(value))
    }
  }

  /// Whether an interrupt with this vector is being handled (in-service register, 8 x 32 bits).
  static func isInService(_ vector: UInt8) -> Bool {
    let offset = UInt32(vector / 32) * 0x10 + 0x100
    let base = base.load(ordering: .relaxed)
    let word =
      base != 0
      ? apus_mmio_read32(base + UInt64(offset))
      : UInt32(truncatingIfNeeded: apus_rdmsr(ModelSpecificRegister.x2APIC + offset >> 4))
    return word & 1 << UInt32(vector % 32) != 0
  }

  @inline(__always)
  static func endInterrupt() { write(.endOfInterrupt, 0) }

  /// Delivery modes of an interrupt command (volume 3, 11.6.1), with level "assert".
  enum Delivery: UInt32 {
    case fixed = 0x4000
    case nonMaskable = 0x4400
    case initialise = 0x4500
    case startUp = 0x4600
  }

  /// Sends an interrupt to the CPU with the given APIC id. Interrupts must be off in xAPIC mode,
  /// where a command takes two writes.
  static func send(_ delivery: Delivery, vector: UInt8, to apicID: UInt32) {
    let command = delivery.rawValue | UInt32(vector)
    if isX2APIC {
      apus_fence_before_wrmsr()
      apus_wrmsr(
        ModelSpecificRegister.x2APIC + Register.command.rawValue >> 4,
        UInt64(apicID) << 32 | UInt64(command))
      return
    }
    // Bounded: a command that stays pending must not silence a panic.
    for _ in 0..<1_000_000 {
      if read(.command) & 0x1000 == 0 { break }
      Processor.pause()
    }
    write(.commandHigh, apicID << 24)
    write(.command, command)
  }
}
#endif
