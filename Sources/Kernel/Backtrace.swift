#if hasFeature(Embedded)
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
      guard frame % 8 == 0, frame != 0, isReadable(frame), isReadable(frame &+ 15),
        let words = UnsafePointer<UInt>(bitPattern: frame)
      else { return }
      let (next, returnAddress) = (words[0], words[1])
      guard returnAddress != 0 else { return }
      write(index: index, returnAddress)
      // Stacks grow downwards, so callers' frames are higher up.
      guard next > frame else { return }
      frame = next
    }
  }

  /// Whether a word can be read. No lock; what is there stays there, since nothing else runs any more.
  private static func isReadable(_ address: UInt) -> Bool {
    KernelAddressSpace.shared.isMapped(address)
      || AddressSpace.shared.translate(UInt64(address)) != nil
  }

  private static func write(index: Int, _ address: UInt) {
    ConsoleDevice.writeLogUnlocked(line: "  #\(index) \(hex: address)")
  }
}
#endif
