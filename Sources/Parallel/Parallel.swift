import Machine
import PerCPU
import Scheduler

/// Runs `body` for each number of `range`, on the CPUs of `cpus` at the same time, and returns when all are
/// done. In any order; a loop over many numbers that takes 20 microseconds or less runs in the caller alone.
///
///     parallelFor(0..<image.height) { row in image.render(row) }
///
/// `body` may do whatever a thread may do; other threads are started for it with stacks of the usual size.
/// In threads, and inside of another `parallelFor` too.
@inline(__always)
public func parallelFor(
  _ range: Range<Int>, on cpus: CPUSet = .online, _ body: @Sendable (Int) -> Void
) {
  withParallelChunks(of: range, on: cpus) { chunks in
    while let chunk = chunks.next() {
      for number in chunk { body(number) }
    }
  }
}

/// Makes an array of what `transform` makes of each number of `range`, as `parallelFor` does.
public func parallelMap<Element>(
  _ range: Range<Int>, on cpus: CPUSet = .online, _ transform: @Sendable (Int) -> sending Element
) -> [Element] {
  [Element](unsafeUninitializedCapacity: range.count) { buffer, count in
    guard let elements = buffer.baseAddress else { return }
    // Each element is written once, by one thread.
    let address = UInt(bitPattern: elements)
    parallelFor(range, on: cpus) { number in
      guard let elements = UnsafeMutablePointer<Element>(bitPattern: address) else { return }
      (elements + (number - range.lowerBound)).initialize(to: transform(number))
    }
    count = range.count
  }
}

/// Adds up what `body` makes of the numbers of `range`: each thread that takes part begins with `initial`,
/// and `combine` puts their results together, one after the other, in any order.
///
///     let sum = parallelReduce(0..<samples.count, 0.0) { sum, index in
///       sum += samples[index]
///     } combine: { $0 += $1 }
public func parallelReduce<Result: Sendable>(
  _ range: Range<Int>, on cpus: CPUSet = .online, _ initial: Result,
  _ body: @Sendable (inout Result, Int) -> Void,
  combine: @Sendable (inout Result, Result) -> Void
) -> Result {
  let total = Total(initial)
  withParallelChunks(of: range, on: cpus) { chunks in
    var partial = initial
    while let chunk = chunks.next() {
      for number in chunk { body(&partial, number) }
    }
    total.value.withLock { combine(&$0, partial) }
  }
  return total.value.withLock { $0 }
}

private final class Total<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }
}

/// Runs `work` in as many threads as are worth it, each on a CPU of `cpus`, until all of `range` was handed
/// out, and returns when all are done. For work that needs something of its own in each thread.
///
///     withParallelChunks(of: 0..<files.count) { chunks in
///       var counts = WordCounts()
///       while let chunk = chunks.next() {
///         for index in chunk { counts.add(files[index]) }
///       }
///       all.withLock { $0.merge(counts) }
///     }
public func withParallelChunks(
  of range: Range<Int>, on cpus: CPUSet = .online,
  _ work: @Sendable (inout ParallelChunks) -> Void
) {
  ParallelLoop.run(range, on: cpus, work)
}
