#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Bringing CPUs to their common state, and interrupts between them.
extension Processor {
  /// Hardware ids by index: `UInt32` each, in memory that is never freed. Written by the boot CPU
  /// before any other runs.
  private static let hardwareIDs = Atomic<UInt64>(0)

  /// The first thing on the boot CPU: time starts, this is CPU 0, legacy interrupts are masked,
  /// text can leave, and a fault is reported. Returns what `calibrateClock` is to have.
  public static func prepareMachine() -> ClockCalibration.Beginning? {
    let block = ProcessorBlock(at: UInt(apus_boot_block_address()))
    block.write(UInt64(block.address), at: ProcessorBlock.ownAddressOffset)
    apus_wrmsr(ModelSpecificRegister.gsBase, UInt64(block.address))
    MonotonicClock.startCounting()
    InterruptDescriptorTable.fill()
    InterruptDescriptorTable.load()
    // As early as a fault can be reported: what has run under another CR4 is translated a second time
    // by a VMM that translates.
    ControlRegisters.configure()
    LegacyInterruptController.mask()
    OutputChannel.configure()
    return ClockCalibration.begin()
  }

  /// This CPU's id in the firmware's tables.
  public static var hardwareID: UInt32 { ProcessorFeatures.apicID }

  /// Whether interrupts can be sent to a CPU with this id: without x2APIC an id has 8 bits, and
  /// 255 means all CPUs (volume 3, 11.6.2.1).
  public static func canReach(hardwareID: UInt32) -> Bool {
    hardwareID < 255 || ProcessorFeatures.hasX2APIC
  }

  /// Chooses how interrupts are sent, and gives the traps that want one a stack of their own: from
  /// now on every CPU that takes traps must have been through `configure`.
  public static func prepareInterrupts() {
    InterruptDescriptorTable.useStacks()
    LocalAPIC.choose()
  }

  /// Where the registers of the interrupt controllers are.
  public static var interruptControllerAddress: UInt64 { LocalAPIC.physicalBase }

  /// The mode of the interrupt controllers, for the log.
  public static var interruptControllerName: StaticString {
    LocalAPIC.isX2APIC ? "x2APIC" : "xAPIC"
  }

  /// The ids that are needed to send interrupts by index; the memory must stay.
  public static func setHardwareIDs(_ ids: UnsafePointer<UInt32>) {
    hardwareIDs.store(UInt64(UInt(bitPattern: ids)), ordering: .relaxed)
  }

  /// The id of the CPU with this index; `nil` before ids are known.
  @inline(__always)
  static func hardwareID(of index: Int) -> UInt32? {
    UnsafePointer<UInt32>(bitPattern: UInt(hardwareIDs.load(ordering: .relaxed)))?[index]
  }

  /// Brings the calling CPU to the state that all CPUs share: control registers, descriptor
  /// tables, CPU-local storage, interrupt controller. The same function for every CPU. Interrupts
  /// are off before and after.
  public static func configure(_ block: ProcessorBlock) {
    ControlRegisters.configure()
    block.activate()
    LocalAPIC.enable()
  }

  /// Measures clock and timer on the boot CPU; all CPUs share the result. `scratch` is a page.
  public static func calibrateClock(
    since beginning: ClockCalibration.Beginning?, scratch: UInt
  ) -> ClockCalibration {
    let calibration = ClockCalibration.measure(since: beginning, scratch: scratch)
    MonotonicClock.setFrequency(calibration.timestampFrequency)
    OneShotTimer.setFrequency(calibration.timerFrequency)
    return calibration
  }

  /// Sends an interrupt to the CPU with this index. What was written before is seen by the
  /// handler. Any context.
  public static func send(_ interrupt: InterruptVector, to index: Int) {
    apus_gs_count_interrupt_sent()
    deliver(.fixed, vector: interrupt.rawValue, to: index)
  }

  /// The same where interrupts are off.
  @inline(never)
  public static func send(
    _ interrupt: InterruptVector, to index: Int, _ proof: borrowing InterruptsDisabled
  ) {
    guard let id = hardwareID(of: index) else { return }
    apus_gs_count_interrupt_sent()
    LocalAPIC.send(.fixed, vector: interrupt.rawValue, to: id)
  }

  /// Asks the CPU with this index to stop, whatever it does and even with interrupts off.
  public static func sendStop(to index: Int) {
    deliver(.nonMaskable, vector: 0, to: index)
  }

  private static func deliver(_ delivery: LocalAPIC.Delivery, vector: UInt8, to index: Int) {
    guard let id = hardwareID(of: index) else { return }
    withInterruptsDisabled { LocalAPIC.send(delivery, vector: vector, to: id) }
  }
}
#endif
