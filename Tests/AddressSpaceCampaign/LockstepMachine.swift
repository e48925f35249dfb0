import Boot
import CMachine
import Interrupts
import Locking
import Machine
import PerCPU
import PhysicalMemory

@testable import VirtualMemory

/// Simulated CPUs that one thread plays, one operation after the other: a CPU that is interrupted
/// answers at once. So a million operations take seconds, and all is the same in each run.
///
/// One at a time in a process: the kernel's mailboxes and epochs are global.
public final class LockstepMachine {
  /// How many CPUs there are.
  public static let cpuCount = 3
  static let frameCount = 2048
  /// The rest of the memory is files' and devices': none of the frame allocator's.
  static let contents = PhysicalRange(start: UInt64(2048) * 4096, byteCount: 4 << 20)
  static let lowest: UInt64 = 1 << 39
  static let limit: UInt64 = 3 << 39

  let space = AddressSpace()
  let frames = UnsafeMutablePointer<FrameAllocator>.allocate(capacity: 1)
  let mmu = SimulatedMMU(cpuCount: LockstepMachine.cpuCount)
  private let metadata: UnsafeMutableRawPointer
  private let caches: UnsafeMutableRawPointer
  /// Where words of devices were written, which the next machine finds as they were.
  private var writtenDeviceWords: [UInt64] = []
  /// Frames that are kept from the address space, to make memory short.
  private var withheld: [(start: PhysicalAddress, count: Int)] = []
  private(set) var usesSpace = [Bool](repeating: false, count: LockstepMachine.cpuCount)
  private var freeAtStart = 0

  // What a process has once. By its address, since a pointer is no global constant.
  private static let memory: UInt = {
    func storage(_ byteCount: Int) -> UnsafeMutableRawPointer {
      .allocate(byteCount: byteCount, alignment: 128)
    }
    Epoch.shared.initialize(in: storage(Epoch.byteCount(for: cpuCount)), count: cpuCount)
    UrgentCall.initialize(in: storage(UrgentCall.byteCount(for: cpuCount)), count: cpuCount)
    for index in 0..<cpuCount { CPUSet.markOnline(CPU(index: index)) }
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: Int(contents.end.rawValue), alignment: 2 << 20)
    for address in stride(from: contents.start.rawValue, to: contents.end.rawValue, by: 8) {
      memory.storeBytes(of: word(at: address), toByteOffset: Int(address), as: UInt64.self)
    }
    return UInt(bitPattern: memory)
  }()

  private static let hooks: UInt = {
    let hooks = UnsafeMutablePointer<apus_explorer>.allocate(capacity: 1)
    hooks.initialize(
      to: apus_explorer(
        context: UnsafeMutableRawPointer(hooks), step: { _, _, _, _ in }, written: { _ in },
        send: { _, _, index in LockstepMachine.interrupt(Int(index)) }, output: { _, _, _ in },
        now: { _ in 0 }, arm_timer: { _, _ in }))
    return UInt(bitPattern: hooks)
  }()

  /// A CPU does what others ask of it, in the middle of what another one does.
  private static func interrupt(_ index: Int) {
    let interrupted = apus_simulated_processor().pointee
    apus_simulated_processor().pointee.index = Int64(index)
    apus_simulated_processor().pointee.preemption_count = 0
    apus_simulated_processor().pointee.interrupts_enabled = 1
    answerUrgentCalls()
    apus_simulated_processor().pointee.index = interrupted.index
    apus_simulated_processor().pointee.preemption_count = interrupted.preemption_count
    apus_simulated_processor().pointee.interrupts_enabled = interrupted.interrupts_enabled
  }

  /// A machine whose CPUs do not use its address space yet, with tables of a scheme. The calling thread
  /// is its own until `end`.
  public init(_ scheme: PageTableScheme) {
    let memory = UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: Self.memory),
      count: Int(Self.contents.end.rawValue))
    PhysicalMemoryWindow.simulateOnThisThread(with: memory)
    apus_simulated_processor().pointee.explorer = UnsafePointer(bitPattern: Self.hooks)
    Processor.index = 0
    let end = Self.contents.start.rawValue
    metadata = .allocate(byteCount: FrameAllocator.metadataByteCount(upTo: end), alignment: 128)
    caches = .allocate(
      byteCount: FrameAllocator.cacheByteCount(for: Self.cpuCount), alignment: 128)
    frames.initialize(to: FrameAllocator())
    frames.pointee.initialize(upTo: end, metadata: metadata)
    frames.pointee.add(PhysicalRange(start: UInt64(4096), end: end))
    frames.pointee.enableCaches(in: caches, count: Self.cpuCount)
    mmu.useOnThisThread()
    try? space.initialize(
      from: Self.lowest, to: Self.limit, scheme: scheme, on: frames, cpuCount: Self.cpuCount)
    for cpu in 0..<Self.cpuCount { try? space.prepare(for: CPU(index: cpu)) }
    // The side table keeps what it took, and so does each arena its uppermost table.
    for arena in stride(from: Self.lowest, to: Self.limit, by: 1 << 39) {
      try? space.map(at: arena, byteCount: 4096, [], as: AreaKind(.reserved, named: "first"))
    }
    unmapAll()
    freeAtStart = keptFrameCount
  }

  private var keptFrameCount: Int { frames.pointee.freeFrameCount + space.areaKinds.frameCount }

  /// Frames that are not free when all is unmapped.
  var lostFrameCount: Int { freeAtStart - keptFrameCount }

  /// Gives the thread back.
  public func end() {
    for address in writtenDeviceWords {
      PhysicalMemoryWindow.pointer(to: address)?.storeBytes(
        of: Self.word(at: address), as: UInt64.self)
    }
    SimulatedMMU.useNoneOnThisThread()
    apus_simulated_processor().pointee.explorer = nil
    apus_simulated_processor().pointee.memory_base = 0
    Processor.index = 0
    frames.deinitialize(count: 1)
    frames.deallocate()
    metadata.deallocate()
    caches.deallocate()
  }

  // MARK: CPUs

  /// What is at a physical address among files and devices at first.
  static func word(at address: UInt64) -> UInt64 { address &* 0x9E37_79B9_7F4A_7C15 | 1 }

  /// Whatever follows is done by this CPU.
  func become(_ cpu: Int) { Processor.index = cpu }

  /// The current CPU begins to use the address space, or ends it.
  func setUsesSpace(_ uses: Bool) {
    guard usesSpace[Processor.index] != uses else { return }
    usesSpace[Processor.index] = uses
    // Each has its root from the start on.
    if uses { try? space.activate() } else { space.deactivate() }
  }

  /// What an access came to.
  enum Access: Equatable {
    case value(UInt64)
    case refused(PageFault.Outcome)
    /// The CPU does not get on: the same fault comes again and again.
    case endless
  }

  /// Writes, reads (`nil`) or executes as a program does.
  func access(_ kind: PageFault.Access, _ address: UInt64, value: UInt64 = 0) -> Access {
    for _ in 0..<10 {
      do throws(SimulatedPageFault) {
        switch kind {
        case .read: return .value(try mmu.read(address))
        case .write:
          try mmu.write(value, to: address)
          if let physical = space.translate(address)?.address, physical >= Self.contents.start {
            writtenDeviceWords.append(physical.rawValue)
          }
        case .execute: try mmu.fetch(address)
        }
        return .value(value)
      } catch {
        let outcome = space.handle(PageFault(at: address, kind))
        if outcome != .resolved { return .refused(outcome) }
      }
    }
    return .endless
  }

  // MARK: Memory

  /// Leaves the address space `count` frames; `nil` gives it all that there are.
  func limitFrames(to count: Int?) {
    while let block = withheld.popLast() { frames.pointee.free(block.start, count: block.count) }
    guard let count else { return }
    // Large blocks first: one by one it would take longer than all else.
    for size in [512, 64, 8, 1] {
      while frames.pointee.freeFrameCount >= count + size,
        let block = try? frames.pointee.allocate(count: size)
      {
        withheld.append((block, size))
      }
    }
  }

  var freeFrameCount: Int { frames.pointee.freeFrameCount }

  /// Takes all away, and empty tables out.
  func unmapAll() {
    try? space.unmap(at: Self.lowest, byteCount: Self.limit - Self.lowest)
    space.reclaim()
  }
}
