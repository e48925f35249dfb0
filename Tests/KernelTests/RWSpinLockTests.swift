import Locking
import Machine
import Testing

@Suite struct RWSpinLockTests {
  enum Threads: LockClass {
    typealias Context = ThreadOnly
    typealias Level = FrameLevel
    static var name: StaticString { "read and written" }
  }

  enum Handlers: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "read and written by handlers" }
  }

  @Test func writersAreAloneAndReadersAreNot() {
    let lock = RWSpinLock<Threads, (Int, Int)>((0, 0))
    let violations = Atomic<Int>(0)
    let together = Atomic<Int>(0)
    let readers = Atomic<Int>(0)
    onSimulatedCPUs(4) { index in
      for turn in 0..<5000 {
        if (turn + index) % 4 == 0 {
          lock.withWriteLock { pair in
            pair.0 += 1
            if readers.load(ordering: .relaxed) != 0 {
              violations.wrappingAdd(1, ordering: .relaxed)
            }
            pair.1 += 1
          }
        } else {
          lock.withReadLock { pair in
            let before = readers.wrappingAdd(1, ordering: .relaxed).oldValue
            if before > 0 { together.wrappingAdd(1, ordering: .relaxed) }
            if turn % 64 == 0 { Processor.pause() }
            if pair.0 != pair.1 { violations.wrappingAdd(1, ordering: .relaxed) }
            readers.wrappingSubtract(1, ordering: .relaxed)
          }
        }
      }
    }
    #expect(lock.withReadLock { $0.0 } == 5000)
    #expect(violations.load(ordering: .relaxed) == 0)
    #expect(together.load(ordering: .relaxed) > 0)
  }

  /// Readers that follow one another without a gap do not keep a writer out.
  @Test func aWriterIsNotStarved() {
    let lock = RWSpinLock<Threads, Bool>(false)
    onSimulatedCPUs(4) { index in
      if index == 0 {
        lock.withWriteLock { $0 = true }
      } else {
        while !lock.withReadLock({ isDone in
          Processor.pause()
          return isDone
        }) {}
      }
    }
    #expect(lock.withReadLock { $0 })
  }

  @Test func interruptsAndPreemptionAreAsBefore() {
    let lock = RWSpinLock<Handlers, Int>(0)
    #expect(!lock.withReadLockAndInterruptsDisabled { _ in Processor.interruptsAreEnabled })
    #expect(!lock.withWriteLockAndInterruptsDisabled { _ in Processor.interruptsAreEnabled })
    #expect(Processor.interruptsAreEnabled)
    Processor.withInterruptsDisabledProof { proof in
      lock.withWriteLock(interruptsDisabled: proof) { $0 += 1 }
      #expect(lock.withReadLock(interruptsDisabled: proof) { $0 } == 1)
    }
    let threads = RWSpinLock<Threads, Int>(0)
    let before = Processor.preemptionCount
    #expect(threads.withReadLock { _ in Processor.preemptionCount } == before + 1)
    #expect(threads.withWriteLock { _ in Processor.preemptionCount } == before + 1)
    #expect(Processor.preemptionCount == before)
  }

  #if DEBUG
  @Test func readingTwiceAtOnceIsFatal() async {
    await #expect(processExitsWith: .failure) {
      let lock = RWSpinLock<RWSpinLockTests.Threads, Int>(0)
      lock.withReadLock { _ in lock.withReadLock { _ in } }
    }
  }
  #endif
}
