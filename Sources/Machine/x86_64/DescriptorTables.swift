#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// One CPU's descriptor tables and the block that GS points to; lives in memory that is never
/// freed, on cache lines of its own.
///
/// Layout in bytes: 0 CPU index, 8 preemption count, 16 the block's address, 24 interrupts under way,
/// 32 the running thread, 40 why it is to give way, 48 page faults, 56 interrupts sent, 64 GDT (8 entries),
/// 128 TSS (104 bytes), 256 what `Locking` keeps (512 bytes).
public struct ProcessorBlock {
  /// Bytes that a block needs; a multiple of its alignment, 256.
  public static let size = UInt(APUS_PROCESSOR_BLOCK_SIZE)

  /// Where the block is.
  public let address: UInt

  /// Where the stacks begin on which a CPU takes traps: the stack in use may not be usable.
  public struct TrapStacks: Sendable {
    /// For exceptions that do not return.
    public var report: UInt
    /// For non-maskable interrupts.
    public var nonMaskable: UInt
    /// For page faults; a multiple of 2048.
    public var pageFault: UInt
    /// For interrupts.
    public var interrupt: UInt

    /// Their tops.
    public init(report: UInt, nonMaskable: UInt, pageFault: UInt, interrupt: UInt) {
      self.report = report
      self.nonMaskable = nonMaskable
      self.pageFault = pageFault
      self.interrupt = interrupt
    }
  }

  /// Makes the block at `address` (zeroed, aligned to its size) the one of CPU `index`.
  public init(at address: UInt, index: Int, _ stacks: TrapStacks) {
    self.address = address
    write(UInt64(index), at: 0)
    write(UInt64(address), at: Self.ownAddressOffset)
    let tss = UInt64(address + Self.tssOffset)
    write(0x00AF_9A00_0000_FFFF, at: Self.gdtOffset + 8)
    write(0x00CF_9200_0000_FFFF, at: Self.gdtOffset + 16)
    // A TSS descriptor takes two entries (volume 3, 7.2.3): 64-bit available TSS, present.
    write(
      0x67 | (tss & 0xFF_FFFF) << 16 | 0x89 << 40 | (tss >> 24 & 0xFF) << 56,
      at: Self.gdtOffset + 24)
    write(tss >> 32, at: Self.gdtOffset + 32)
    // The interrupt stack table from entry 1 on (volume 3, figure 7-11): 32-bit aligned fields.
    write(UInt64(stacks.report), at: Self.tssOffset + 36)
    write(UInt64(stacks.nonMaskable), at: Self.tssOffset + 44)
    write(UInt64(stacks.pageFault), at: Self.tssOffset + 52)
    write(UInt64(stacks.interrupt), at: Self.tssOffset + 60)
    // No I/O permission map: its offset is the segment's limit.
    write(UInt64(104) << 48, at: Self.tssOffset + 96)
  }

  /// The block that was made at `address` before.
  public init(at address: UInt) { self.address = address }

  static let ownAddressOffset: UInt = 16
  static let gdtOffset: UInt = 64
  static let tssOffset: UInt = 128
  static let taskSelector: UInt16 = 24

  /// How many page faults the CPU has had. Any context, from any CPU.
  public var faultCount: UInt64 { read(at: UInt(APUS_FAULT_COUNT)) }
  /// How many interrupts it has sent to other CPUs. Any context, from any CPU.
  public var interruptsSent: UInt64 { read(at: 56) }

  private func read(at offset: UInt) -> UInt64 {
    UnsafeRawPointer(bitPattern: address + offset)?.load(as: UInt64.self) ?? 0
  }

  func write(_ value: UInt64, at offset: UInt) {
    UnsafeMutableRawPointer(bitPattern: address + offset)?
      .storeBytes(of: value, as: UInt64.self)
  }

  /// Loads GDT, TSS, IDT and GS on the calling CPU.
  func activate() {
    apus_lgdt(UInt64(address + Self.gdtOffset), 5 * 8 - 1)
    apus_ltr(Self.taskSelector)
    InterruptDescriptorTable.load()
    apus_wrmsr(ModelSpecificRegister.gsBase, UInt64(address))
  }
}

/// The table that names a stub for each of the 256 vectors, the same one on every CPU.
enum InterruptDescriptorTable {
  private static var entries: UnsafeMutablePointer<UInt64>? {
    UnsafeMutablePointer(bitPattern: UInt(apus_interrupt_table_address()))
  }

  /// Fills the table, on the boot CPU. Until `useStacks` all traps use the stack that they find, and a page
  /// fault is an exception like others.
  static func fill() {
    for vector in 0..<256 { set(vector, apus_trap_stub(UInt64(vector)), stack: 0) }
    set(pageFault, apus_early_page_fault_address(), stack: 0)
  }

  /// Gives all traps stacks of the CPU's own, see `ProcessorBlock.TrapStacks`. Exceptions that never return
  /// share one, and interrupts, which do not interrupt each other.
  static func useStacks() {
    for vector in 0..<256 {
      set(vector, apus_trap_stub(UInt64(vector)), stack: vector < 32 ? 1 : 4)
    }
    set(nonMaskable, apus_trap_stub(UInt64(nonMaskable)), stack: 2)
    set(pageFault, apus_trap_stub(UInt64(pageFault)), stack: 3)
  }

  private static let nonMaskable = 2
  private static let pageFault = 14

  /// A 64-bit interrupt gate that is present (volume 3, 6.14.1): interrupts are off in the handler. `stack`
  /// is an entry of the interrupt stack table, or 0.
  private static func set(_ vector: Int, _ stub: UInt64, stack: UInt64) {
    guard let entries else { return }
    entries[vector * 2] =
      stub & 0xFFFF | 0x08 << 16 | stack << 32 | 0x8E << 40 | (stub >> 16 & 0xFFFF) << 48
    entries[vector * 2 + 1] = stub >> 32
  }

  static func load() { apus_lidt(apus_interrupt_table_address(), 4095) }
}
#endif
