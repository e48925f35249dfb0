import Boot
import Foundation
import Interrupts
import Kernel
import Locking
import Machine
import PerCPU
import PhysicalMemory
import Testing

/// The tests that share one simulated machine: its memory, its frame allocator, its mailboxes and
/// its set of CPUs are global, so these suites run one after another.
@Suite(.serialized) struct SimulatedMachine {
  /// How many CPUs the machine has. Threads play them, see `onSimulatedCPUs`.
  static let cpuCount = 4
  /// How many CPUs it may have for tests of threads, see `SimulatedThreads`.
  static let maximumCPUCount = 8

  /// The physical memory that the frame allocator has: it starts above address 0, as in reality.
  static let usable = PhysicalRange(start: UInt64(1) << 20, end: UInt64(25) << 20)
  /// Physical memory that the machine's frame allocator does not have, for allocators of tests: only
  /// what is touched exists.
  static let spare = PhysicalRange(start: UInt64(64) << 20, end: UInt64(12) << 30)

  /// Which CPUs were online before and after all were marked at the same time.
  let onlineBefore: CPUSet
  let onlineAfter: CPUSet

  /// The machine, switched on by the first test that needs it and never off again.
  static let shared = SimulatedMachine(switchedOn: ())

  private init(switchedOn: Void) {
    let byteCount = Int(Self.spare.end.rawValue) + 2 << 20
    let mapping = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapping, mapping != MAP_FAILED else { fatalError("no simulated memory") }
    PhysicalMemoryWindow.simulate(
      with: UnsafeMutableRawBufferPointer(
        start: mapping.alignedUp(toMultipleOf: 2 << 20), count: byteCount - 2 << 20))
    let end = Self.usable.end.rawValue
    FrameAllocator.shared.initialize(
      upTo: end,
      metadata: .allocate(byteCount: FrameAllocator.metadataByteCount(upTo: end), alignment: 8))
    FrameAllocator.shared.add(Self.usable)
    FrameAllocator.shared.enableCaches(
      in: .allocate(
        byteCount: FrameAllocator.cacheByteCount(for: Self.cpuCount), alignment: 128),
      count: Self.cpuCount)
    CrossCall.initialize(
      in: .allocate(byteCount: CrossCall.byteCount(for: Self.cpuCount), alignment: 128),
      count: Self.cpuCount)
    UrgentCall.initialize(
      in: .allocate(byteCount: UrgentCall.byteCount(for: Self.maximumCPUCount), alignment: 128),
      count: Self.maximumCPUCount)
    Epoch.shared.initialize(
      in: .allocate(byteCount: Epoch.byteCount(for: Self.cpuCount), alignment: 128),
      count: Self.cpuCount)
    onlineBefore = .online
    onSimulatedCPUs(Self.cpuCount) { CPUSet.markOnline(CPU(index: $0)) }
    onlineAfter = .online
  }

  init() { self = Self.shared }

  /// Takes frames until there are exactly `count` left, which lie in a row, runs `body`, and gives
  /// those back that it took itself.
  @discardableResult
  static func withFrames<Result>(left count: Int, _ body: () throws -> Result) throws -> Result {
    let kept = try FrameAllocator.shared.allocate(count: Swift.max(count, 1))
    var taken: [PhysicalAddress] = count == 0 ? [kept] : []
    while let frame = try? FrameAllocator.shared.allocate() { taken.append(frame) }
    if count > 0 { FrameAllocator.shared.free(kept, count: count) }
    defer { for frame in taken { FrameAllocator.shared.free(frame) } }
    return try body()
  }
}

/// Runs `body` on `count` threads at the same time, each of which plays the CPU whose index it
/// gets, and waits for all. Expectations belong behind it: a thread is not part of a test.
func onSimulatedCPUs(_ count: Int, _ body: @Sendable (Int) -> Void) {
  let running = Atomic<Int>(count)
  withoutActuallyEscaping(body) { body in
    let threads: [pthread_t?] = (0..<count).map { index in
      let start = ThreadStart {
        Processor.index = index
        body(index)
        running.wrappingSubtract(1, ordering: .releasing)
      }
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          if let argument { Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body() }
          return nil
        }, Unmanaged.passRetained(start).toOpaque())
      return status == 0 ? thread : nil
    }
    let end = ContinuousClock.now + patience
    while running.load(ordering: .acquiring) > 0 {
      guard ContinuousClock.now < end else {
        fatalError("a simulated CPU does not get on: CPUs wait for each other, or one is lost")
      }
      usleep(200)
    }
    for thread in threads {
      guard let thread else { fatalError("no thread for a simulated CPU") }
      pthread_join(thread, nil)
    }
  }
}

/// How long CPUs may take, far longer than they do: a test must end when it fails, too.
private let patience = Duration.seconds(120)

private final class ThreadStart: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
