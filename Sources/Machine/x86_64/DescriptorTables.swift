#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// One CPU's descriptor tables and the block that GS points to; lives in memory that is never
/// freed, on cache lines of its own.
///
/// Layout in bytes: 0 CPU index, 8 preemption count, 16 the block's address, 24 interrupts under way,
/// 32 the running thread, 64 GDT (8 entries), 128 TSS (104 bytes), 256 what `Locking` keeps (512 bytes).
public struct ProcessorBlock {
  /// Bytes that a block needs; a multiple of its alignment, 256.
  public static let size = UInt(APUS_PROCESSOR_BLOCK_SIZE)

  /// Where the block is.
  public let address: UInt

  /// Makes the block at `address` (zeroed, aligned to its size) the one of CPU `index`.
  ///
  /// `doubleFaultStackTop` and `nmiStackTop` are stacks of their own: these two traps may come
  /// when the stack in use is not usable.
  public init(at address: UInt, index: Int, doubleFaultStackTop: UInt, nmiStackTop: UInt) {
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
    // Interrupt stack table entries 1 and 2 (volume 3, figure 7-11): 32-bit aligned fields.
    write(UInt64(doubleFaultStackTop), at: Self.tssOffset + 36)
    write(UInt64(nmiStackTop), at: Self.tssOffset + 44)
    // No I/O permission map: its offset is the segment's limit.
    write(UInt64(104) << 48, at: Self.tssOffset + 96)
  }

  /// The block that was made at `address` before.
  public init(at address: UInt) { self.address = address }

  static let ownAddressOffset: UInt = 16
  static let gdtOffset: UInt = 64
  static let tssOffset: UInt = 128
  static let taskSelector: UInt16 = 24

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

  /// Fills the table, on the boot CPU. All traps use the stack that they find.
  static func fill() {
    guard let entries else { return }
    for vector in 0..<256 {
      let stub = apus_trap_stub(UInt64(vector))
      // Present 64-bit interrupt gate (volume 3, 6.14.1): interrupts are off in the handler.
      entries[vector * 2] = stub & 0xFFFF | 0x08 << 16 | 0x8E << 40 | (stub >> 16 & 0xFFFF) << 48
      entries[vector * 2 + 1] = stub >> 32
    }
  }

  /// Gives the traps that may come when the stack is bad the stacks of the CPU's own: see
  /// `ProcessorBlock` for the two. A double fault and a machine check never return, so they can
  /// share one; an NMI does.
  static func useStacks() {
    guard let entries else { return }
    entries[2 * 2] |= 2 << 32
    entries[8 * 2] |= 1 << 32
    entries[18 * 2] |= 1 << 32
  }

  static func load() { apus_lidt(apus_interrupt_table_address(), 4095) }
}
#endif
