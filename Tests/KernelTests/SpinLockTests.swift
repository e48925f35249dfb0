import Locking
import Machine
import Testing

@Suite struct SpinLockTests {
  private struct Failure: Error {}

  private enum Handlers: LockClass {
    typealias Context = InterruptSafe
    typealias Level = TimerLevel
    static var name: StaticString { "handlers" }
  }

  private enum Threads: LockClass {
    typealias Context = ThreadOnly
    typealias Level = FrameLevel
    static var name: StaticString { "threads" }
  }

  /// Counts with a witness of its own that nobody else is inside.
  private struct Witness: ~Copyable {
    let inside = Atomic<Int>(0)
    let violations = Atomic<Int>(0)

    func count(_ count: inout Int) {
      if inside.wrappingAdd(1, ordering: .relaxed).oldValue != 0 {
        violations.wrappingAdd(1, ordering: .relaxed)
      }
      count += 1
      inside.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  @Test func oneThreadIsInsideAtATime() {
    let lock = SpinLock<Threads, Int>(0)
    let witness = Witness()
    onSimulatedCPUs(4) { index in
      for turn in 0..<20_000 {
        if turn % 2 == index % 2 {
          lock.withLock { witness.count(&$0) }
        } else {
          let guarded = lock.lock()
          witness.count(&guarded.state)
          guarded.unlock()
        }
      }
    }
    #expect(lock.withLock { $0 } == 80_000)
    #expect(witness.violations.load(ordering: .relaxed) == 0)
  }

  @Test func oneThreadIsInsideAtATimeWithInterruptsOff() {
    let lock = SpinLock<Handlers, Int>(0)
    let witness = Witness()
    onSimulatedCPUs(4) { index in
      for turn in 0..<20_000 {
        if turn % 2 == index % 2 {
          lock.withLockAndInterruptsDisabled { witness.count(&$0) }
        } else {
          Processor.withInterruptsDisabledProof { proof in
            lock.withLock(interruptsDisabled: proof) { witness.count(&$0) }
          }
        }
      }
    }
    #expect(lock.withLockAndInterruptsDisabled { $0 } == 80_000)
    #expect(witness.violations.load(ordering: .relaxed) == 0)
  }

  @Test(arguments: [true, false]) func interruptsAreAsBefore(enabled: Bool) {
    let lock = SpinLock<Handlers, Int>(0)
    let states = TestLock<[Bool]>([])
    onSimulatedCPUs(1) { _ in
      if enabled { Processor.enableInterrupts() } else { Processor.disableInterrupts() }
      let inside = lock.withLockAndInterruptsDisabled { _ in Processor.interruptsAreEnabled }
      let after = Processor.interruptsAreEnabled
      try? lock.withLockAndInterruptsDisabled { _ throws(Failure) in throw Failure() }
      let afterError = Processor.interruptsAreEnabled
      states.withLock { $0 = [inside, after, afterError] }
    }
    #expect(states.withLock { $0 } == [false, enabled, enabled])
  }

  @Test func aThreadOnlyLockDoesNotTouchInterrupts() {
    let lock = SpinLock<Threads, Int>(0)
    #expect(lock.withLock { _ in Processor.interruptsAreEnabled })
  }

  @Test func theHolderIsNotPreempted() {
    let lock = SpinLock<Threads, Int>(0)
    let before = Processor.preemptionCount
    #expect(lock.withLock { _ in Processor.preemptionCount } == before + 1)
    let guarded = lock.lock()
    #expect(Processor.preemptionCount == before + 1)
    guarded.unlock()
    try? lock.withLock { _ throws(Failure) in throw Failure() }
    #expect(Processor.preemptionCount == before)
  }

  @Test func locksNestUpwards() {
    let outer = SpinLock<Threads, Int>(1)
    let middle = SpinLock<TestClasses.Output, Int>(2)
    let inner = SpinLock<Handlers, Int>(4)
    let innermost = SpinLock<TestClasses.Handlers2, Int>(8)
    let sum = outer.withLockNesting { first, held in
      middle.withLockNesting(inside: held) { second, held in
        inner.withLockAndInterruptsDisabled(inside: held) { third in first + second + third }
      } + inner.withLockAndInterruptsDisabled(inside: held.weakened) { third in third * 10 }
    }
    #expect(sum == 47)
    let above = inner.withLockNestingAndInterruptsDisabled { state, held in
      innermost.withLock(inside: held) { $0 } + state
    }
    #expect(above == 12)
  }

  @Test func anErrorUnlocks() {
    let lock = SpinLock<Threads, Int>(1)
    #expect(throws: Failure.self) {
      try lock.withLock { value throws(Failure) in
        value = 2
        throw Failure()
      }
    }
    #expect(lock.withLock { $0 } == 2)
  }

  @Test func aGuardUnlocksAtTheEndOfItsScope() {
    let lock = SpinLock<Threads, Int>(1)
    do {
      let guarded = lock.lock()
      guarded.state += 1
    }
    #expect(lock.withLock { $0 } == 2)
  }

  @Test func theStateIsDestroyedOnce() {
    final class Witness: Sendable {
      let count: TestLock<Int>
      init() { count = TestLock(0) }
    }
    weak var seen: Witness?
    do {
      let lock = TestLock(Witness())
      seen = lock.withLock { $0 }
      #expect(seen != nil)
    }
    #expect(seen == nil)
  }

  @Test func theLevelsAreOneChain() {
    func check<Level: LockLevel>(_: Level.Type) { #expect(Level.Above.rank == Level.rank + 1) }
    check(AdmissionLevel.self)
    check(AddressSpaceLevel.self)
    check(HeapLevel.self)
    check(FrameLevel.self)
    check(OutputLevel.self)
    check(TimerLevel.self)
    check(WaitQueueLevel.self)
    check(RunQueueLevel.self)
    check(LogLevel.self)
  }
}
