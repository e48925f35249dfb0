import Locking
import Machine
import Testing

@Suite struct SpinLockTests {
  private struct Failure: Error {}

  @Test func oneThreadIsInsideAtATime() {
    let lock = SpinLock(0)
    let inside = Atomic<Int>(0)
    let violations = Atomic<Int>(0)
    onSimulatedCPUs(4) { index in
      for turn in 0..<20_000 {
        let body = { (count: inout Int) in
          if inside.wrappingAdd(1, ordering: .relaxed).oldValue != 0 {
            violations.wrappingAdd(1, ordering: .relaxed)
          }
          count += 1
          inside.wrappingSubtract(1, ordering: .relaxed)
        }
        if turn % 2 == index % 2 {
          lock.withLock(body)
        } else {
          lock.withLockAndInterruptsDisabled(body)
        }
      }
    }
    #expect(lock.withLock { $0 } == 80_000)
    #expect(violations.load(ordering: .relaxed) == 0)
  }

  @Test(arguments: [true, false]) func interruptsAreAsBefore(enabled: Bool) {
    let lock = SpinLock(0)
    let states = SpinLock<[Bool]>([])
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

  @Test func aLockDoesNotTouchInterruptsUnasked() {
    let lock = SpinLock(0)
    #expect(lock.withLock { _ in Processor.interruptsAreEnabled })
  }

  @Test func anErrorUnlocks() {
    let lock = SpinLock(1)
    #expect(throws: Failure.self) {
      try lock.withLock { value throws(Failure) in
        value = 2
        throw Failure()
      }
    }
    #expect(lock.withLock { $0 } == 2)
  }

  @Test func theStateIsDestroyedOnce() {
    final class Witness: Sendable {
      let count: SpinLock<Int>
      init() { count = SpinLock(0) }
    }
    weak var seen: Witness?
    do {
      let lock = SpinLock(Witness())
      seen = lock.withLock { $0 }
      #expect(seen != nil)
    }
    #expect(seen == nil)
  }
}
