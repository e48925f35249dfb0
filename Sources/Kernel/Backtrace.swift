#if hasFeature(Embedded)
import Boot
import Console
import Machine
import VirtualMemory

/// The calls that led somewhere, by the chain of frame pointers, which all code keeps.
///
/// Addresses only: `apus` adds the names from the image's symbols.
enum Backtrace {
  /// More frames than this are cut off.
  private static let limit = 40

  /// Writes one line per frame, innermost first. Reads nothing that is not mapped.
  static func write(from trap: TrapFrame) {
    write(index: 0, trap.instructionPointer)
    var frame = trap.framePointer
    for index in 1..<limit {
      guard frame % 8 == 0, let next = word(at: frame),
        let returnAddress = word(at: frame &+ 8), returnAddress != 0
      else { return }
      write(index: index, returnAddress)
      // Stacks grow downwards, so callers' frames are higher up.
      guard next > frame else { return }
      frame = next
    }
  }

  /// The word at a multiple of 8, if there is one. No lock; what is there stays there, since nothing else runs any
  /// more. Another CPU's stack may be in none of this one's page tables, and a fault would end the report: pages of the
  /// application are read where they lie in physical memory.
  @inline(never)
  private static func word(at address: UInt) -> UInt? {
    if KernelAddressSpace.shared.isMapped(address) {
      return UnsafePointer<UInt>(bitPattern: address)?.pointee
    }
    guard let page = AddressSpace.shared.translate(UInt64(address)) else { return nil }
    return PhysicalMemoryWindow.pointer(to: page.address.rawValue)?.load(as: UInt.self)
  }

  private static func write(index: Int, _ address: UInt) {
    ConsoleDevice.writeLogUnlocked(line: "  #\(index) \(hex: address)")
  }
}
#endif
