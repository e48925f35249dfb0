import Machine
import PerCPU
import Scheduler

/// Numbers that several threads work through: each has a share, takes pieces of it from the front, and when
/// it has none left takes half of another's share from the back.
///
/// A thread's share is on lines of its own, so nobody meets anybody but to take half of what is left. It
/// begins with all numbers as the share of the caller, who asks others to help when the work has proved
/// worth it: a long loop that takes less than `helpThreshold` is done by the caller alone. Where there are
/// few numbers, each is taken to be much work.
final class ParallelLoop: @unchecked Sendable {
  // The shares are atomic; the rest is the caller's, or constant.

  /// How long the caller works alone, in nanoseconds: a few times what a thread's start on another CPU
  /// takes.
  private static let helpThreshold: UInt64 = 20_000
  /// Up to so many numbers for each CPU, others help at once: one that is done alone would be a large part.
  private static let fewPerCPU = 8

  private let start: Int
  private let end: Int
  /// How many numbers one unit of a share is: 1, but for ranges of more than 2^31.
  private let unit: Int
  private let shares: UnsafeMutablePointer<Share>
  private let workerCount: Int
  private let cpus: CPUSet
  private let work: @Sendable (inout ParallelChunks) -> Void

  private let begin: UInt64
  private var helpers: [Thread] = []
  private var mayAskForHelp: Bool

  /// A worker's share: the first unit and, in the upper half, the one behind the last.
  struct Share: ~Copyable {
    let bounds = Atomic<UInt64>(0)
    private let padding: InlineArray<15, UInt64> = .init(repeating: 0)
  }

  private init(
    _ range: Range<Int>, on cpus: CPUSet, _ work: @escaping @Sendable (inout ParallelChunks) -> Void
  ) {
    start = range.lowerBound
    end = range.upperBound
    unit = range.count >> 31 + 1
    let units = (range.count + unit - 1) / unit
    self.cpus = cpus.intersection(.online)
    // One for each CPU that may help, and the caller, wherever it is.
    workerCount = Swift.max(Swift.min(self.cpus.count, units), 1)
    shares = .allocate(capacity: workerCount)
    for index in 0..<workerCount { (shares + index).initialize(to: Share()) }
    shares[0].bounds.store(Self.bounds(0, units), ordering: .relaxed)
    self.work = work
    mayAskForHelp = workerCount > 1
    begin = MonotonicClock.nanoseconds
  }

  deinit {
    shares.deinitialize(count: workerCount)
    shares.deallocate()
  }

  /// Runs `work` in the caller and its helpers until all of `range` is handed out and done.
  static func run(
    _ range: Range<Int>, on cpus: CPUSet, _ work: @Sendable (inout ParallelChunks) -> Void
  ) {
    if range.isEmpty { return }
    withoutActuallyEscaping(work) { work in
      let loop = ParallelLoop(range, on: cpus, work)
      if range.count <= Self.fewPerCPU * loop.workerCount { loop.askForHelp() }
      var chunks = ParallelChunks(loop, worker: 0)
      work(&chunks)
      for helper in loop.helpers { helper.join() }
    }
  }

  /// By the caller, between two pieces.
  @inline(__always)
  func askForHelpIfWorthIt(_ now: UInt64) {
    if mayAskForHelp && now &- begin >= Self.helpThreshold { askForHelp() }
  }

  @inline(never)
  private func askForHelp() {
    mayAskForHelp = false
    for worker in 1..<Swift.max(workerCount, 1) {
      // Without memory for a thread the others do its part.
      guard
        let helper = try? Thread.spawn(
          name: "loop", affinity: cpus,
          {
            var chunks = ParallelChunks(self, worker: worker)
            self.work(&chunks)
          })
      else { return }
      helpers.append(helper)
    }
  }

  /// The next piece of at most `count` units for a worker.
  func take(_ count: Int, worker: Int) -> Range<Int>? {
    while true {
      if let units = takeFront(count, of: worker) {
        let first = start + units.lowerBound * unit
        return first..<Swift.min(start + units.upperBound * unit, end)
      }
      if !takeHalf(for: worker) { return nil }
    }
  }

  // A share is nothing but its bounds, so that a compare-and-swap on them is right however often they have
  // changed. What the numbers stand for was there before the threads, and who joins them sees what they did.

  private func takeFront(_ count: Int, of worker: Int) -> Range<Int>? {
    var seen = shares[worker].bounds.load(ordering: .relaxed)
    while true {
      let (first, end) = Self.units(seen)
      if first == end { return nil }
      // No more than half, so that others find something to take.
      let next = first + Swift.min(count, (end - first + 1) / 2)
      let result = shares[worker].bounds.compareExchange(
        expected: seen, desired: Self.bounds(next, end), ordering: .relaxed)
      if result.exchanged { return first..<next }
      seen = result.original
      Processor.pause()
    }
  }

  /// Makes half of another worker's share this worker's.
  private func takeHalf(for worker: Int) -> Bool {
    for distance in 1..<Swift.max(workerCount, 1) {
      let other = (worker + distance) % workerCount
      var seen = shares[other].bounds.load(ordering: .relaxed)
      while true {
        let (first, end) = Self.units(seen)
        if first == end { break }
        let middle = first + (end - first) / 2
        let result = shares[other].bounds.compareExchange(
          expected: seen, desired: Self.bounds(first, middle), ordering: .relaxed)
        if result.exchanged {
          // Nobody changes an empty share but its worker.
          shares[worker].bounds.store(Self.bounds(middle, end), ordering: .relaxed)
          return true
        }
        seen = result.original
        Processor.pause()
      }
    }
    return false
  }

  @inline(__always)
  private static func bounds(_ first: Int, _ end: Int) -> UInt64 {
    first == end ? 0 : UInt64(truncatingIfNeeded: first) | UInt64(truncatingIfNeeded: end) << 32
  }

  @inline(__always)
  private static func units(_ bounds: UInt64) -> (first: Int, end: Int) {
    (Int(bounds & 0xFFFF_FFFF), Int(bounds >> 32))
  }
}

/// The pieces of a range that one thread works through; the others have the rest.
///
/// How large a piece is follows from how long the last ones took: so short work is handed out in large
/// pieces, and long work one by one.
public struct ParallelChunks: ~Copyable {
  /// How long a piece is to take, in nanoseconds.
  private static let shortest: UInt64 = 10_000
  private static let longest: UInt64 = 40_000

  private let loop: ParallelLoop
  /// Which of the threads that take part this one is: from 0, the caller, to below the number of CPUs.
  public let worker: Int
  private var size = 1
  private var lastTime: UInt64

  init(_ loop: ParallelLoop, worker: Int) {
    self.loop = loop
    self.worker = worker
    lastTime = MonotonicClock.nanoseconds
  }

  /// Numbers that nobody else gets; `nil` when all were handed out.
  public mutating func next() -> Range<Int>? {
    let now = MonotonicClock.nanoseconds
    let taken = now &- lastTime
    if taken < Self.shortest {
      size = Swift.min(size * 2, 1 << 30)
    } else if taken > Self.longest {
      size = Swift.max(size / 2, 1)
    }
    lastTime = now
    if worker == 0 { loop.askForHelpIfWorthIt(now) }
    return loop.take(size, worker: worker)
  }
}
