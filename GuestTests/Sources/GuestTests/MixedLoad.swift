import Apus
import GuestTesting

/// What the threads of one run meet at.
final class MixedLoad: Sendable {
  static let partnerCount = 3
  static let permitCount = 3

  let t: TestContext
  let deadline: UInt64
  let mutex = Mutex<UInt64>(0)
  let other = Mutex<UInt64>(0)
  let visits = Atomic<UInt64>(0)
  let otherVisits = Atomic<UInt64>(0)
  let pair = RWLock<(UInt64, UInt64)>((0, 0))
  let writes = Atomic<UInt64>(0)
  let tokens = Mutex<UInt64>(0)
  let tokenAdded = Condition()
  let tokensGiven = Atomic<UInt64>(0)
  let tokensTaken = Atomic<UInt64>(0)
  let permits = Semaphore(MixedLoad.permitCount)
  let holders = Atomic<Int>(0)
  let channel = Channel<UInt64>(capacity: 4)
  let sent = Atomic<UInt64>(0)
  let received = Atomic<UInt64>(0)
  let barrier = Barrier(count: MixedLoad.partnerCount)
  let arrivals = Atomic<Int>(0)
  let isOver = Atomic<Int>(0)
  let interrupts = Atomic<Int>(0)
  let interruptsWanted = Atomic<Int>(0)
  let started = Atomic<Int>(0)
  let ended = Atomic<Int>(0)

  init(_ t: TestContext, until deadline: UInt64) {
    self.t = t
    self.deadline = deadline
  }

  var isTime: Bool { MonotonicClock.nanoseconds < deadline }

  func add(_ amount: UInt64 = 1, to counter: borrowing Atomic<UInt64>) {
    _ = counter.wrappingAdd(amount, ordering: .relaxed)
  }

  func add(_ amount: Int, to counter: borrowing Atomic<Int>) {
    _ = counter.wrappingAdd(amount, ordering: .relaxed)
  }

  /// Rounds of threads that wait for each other.
  func meet() {
    var round = 0
    while isOver.load(ordering: .acquiring) == 0 {
      round += 1
      _ = arrivals.wrappingAdd(1, ordering: .relaxed)
      barrier.wait()
      let seen = arrivals.load(ordering: .relaxed)
      t.expect(seen >= round * Self.partnerCount, "a barrier lets a thread through: \(seen)")
      // All decide by the same word, which is written between two meetings.
      if barrier.wait() && !isTime { isOver.store(1, ordering: .releasing) }
      barrier.wait()
      if round % 4 == 0 { Thread.sleep(nanoseconds: 200_000) }
    }
  }

  func checkEnd() {
    while let number = try? channel.receive(until: 0) { add(number, to: received) }
    t.expect(mutex.withLock { $0 }, equals: visits.load(ordering: .relaxed), "visits")
    t.expect(other.withLock { $0 }, equals: otherVisits.load(ordering: .relaxed), "other visits")
    let pair = pair.withReadLock { $0 }
    t.expect(pair.0 == pair.1 && pair.1 == writes.load(ordering: .relaxed), "writes")
    let tokens = tokens.withLock { $0 }
    t.expect(
      tokensTaken.load(ordering: .relaxed) + tokens, equals: tokensGiven.load(ordering: .relaxed),
      "tokens")
    t.expect(holders.load(ordering: .relaxed), equals: 0, "threads with a permit")
    for _ in 0..<Self.permitCount { t.expect(permits.tryWait(), "a permit is lost") }
    t.expect(!permits.tryWait(), "there is a permit too many")
    t.expect(
      received.load(ordering: .relaxed), equals: sent.load(ordering: .relaxed), "what was sent")
    t.expect(
      interrupts.load(ordering: .relaxed),
      equals: interruptsWanted.load(ordering: .relaxed), "calls in interrupts")
    waitForDetachedThreads()
    t.expect(
      ended.load(ordering: .relaxed), equals: started.load(ordering: .relaxed), "threads that ran")
  }

  /// Threads that nobody joins are gone some time after the last thing that they do, and only then their stacks are
  /// free. The list of threads says when: an idle CPU takes one out of it, frees its stack, and runs no other thread
  /// before that is done. So whoever runs something on all CPUs afterwards has it behind all of that.
  private func waitForDetachedThreads() {
    let end = MonotonicClock.nanoseconds + 5_000_000_000
    while Self.isAlive && MonotonicClock.nanoseconds < end { Thread.sleep(nanoseconds: 100_000) }
    t.expect(!Self.isAlive, "a thread that was detached does not go")
  }

  private static var isAlive: Bool {
    Thread.all.contains { $0.name.utf8.elementsEqual("load".utf8) }
  }
}
