#if !hasFeature(Embedded)
import CMachine
import Synchronization
#endif

/// Where physical memory is seen in the kernel's address space.
///
/// The kernel maps all of it at one place: on x86_64 at its own addresses. On the host a test
/// provides a block of memory that plays the physical memory from address 0 on.
public enum PhysicalMemoryWindow {
  /// Fills physical memory with zeroes: an instruction for each 8 bytes on x86_64.
  @inline(__always)
  public static func zero(_ address: UInt64, byteCount: Int) {
    guard let bytes = pointer(to: address) else { return }
    #if hasFeature(Embedded)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    #else
    // Without optimisation the standard library goes byte by byte, which explorers feel.
    memset(bytes, 0, byteCount)
    #endif
  }

  #if hasFeature(Embedded)
  /// The pointer to a physical address; `nil` only for address 0, which is never mapped.
  @inline(__always)
  public static func pointer(to address: UInt64) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: UInt(address))
  }

  /// The physical address of a pointer into the window; of `nil`, one that no memory has.
  @inline(__always)
  public static func address(of pointer: UnsafeRawPointer?) -> UInt64 {
    UInt64(UInt(bitPattern: pointer))
  }
  #else
  // Not this module's `Atomic`: it is set before the CPUs run, so explorers need not see it.
  private static let base = Synchronization.Atomic<UInt64>(0)

  /// Makes `memory` the simulated physical memory.
  public static func simulate(with memory: UnsafeMutableRawBufferPointer) {
    base.store(UInt64(UInt(bitPattern: memory.baseAddress)), ordering: .releasing)
  }

  /// Makes `memory` the simulated physical memory of the CPUs that this thread plays: an explorer's
  /// machine is its own.
  public static func simulateOnThisThread(with memory: UnsafeMutableRawBufferPointer) {
    apus_simulated_processor().pointee.memory_base = UInt64(UInt(bitPattern: memory.baseAddress))
  }

  private static var start: UInt64 {
    let own = apus_simulated_processor().pointee.memory_base
    return own != 0 ? own : base.load(ordering: .acquiring)
  }

  /// The pointer to a physical address.
  public static func pointer(to address: UInt64) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: UInt(start &+ address))
  }

  /// The physical address of a pointer into the window; of `nil`, one that no memory has.
  public static func address(of pointer: UnsafeRawPointer?) -> UInt64 {
    UInt64(UInt(bitPattern: pointer)) &- start
  }
  #endif
}
