import Locking
import Machine
import Testing

@Suite struct SeqLockTests {
  struct Value: BitwiseCopyable {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var third: UInt64 = 0
  }

  enum Threads: LockClass {
    typealias Context = ThreadOnly
    typealias Level = FrameLevel
    static var name: StaticString { "sequence" }
  }

  enum Handlers: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "sequence for handlers" }
  }

  @Test func aReaderNeverSeesHalfAValue() {
    let lock = SeqLock<Threads, Value>(Value())
    let violations = Atomic<Int>(0)
    let running = Atomic<Int>(2)
    onSimulatedCPUs(4) { index in
      if index < 2 {
        for _ in 0..<5000 {
          lock.write { value in
            value.first += 1
            value.second = value.first * 3
            value.third = value.first * 7
          }
        }
        running.wrappingSubtract(1, ordering: .releasing)
      } else {
        var last: UInt64 = 0
        while running.load(ordering: .acquiring) > 0 {
          let value = lock.read()
          if value.second != value.first * 3 || value.third != value.first * 7
            || value.first < last
          {
            violations.wrappingAdd(1, ordering: .relaxed)
          }
          last = value.first
        }
      }
    }
    #expect(lock.read().first == 10_000)
    #expect(violations.load(ordering: .relaxed) == 0)
  }

  @Test func handlersReadWhatIsWrittenWithInterruptsOff() {
    let lock = SeqLock<Handlers, Value>(Value())
    #expect(!lock.writeWithInterruptsDisabled { _ in Processor.interruptsAreEnabled })
    Processor.withInterruptsDisabledProof { proof in
      lock.write(interruptsDisabled: proof) { $0.first = 5 }
    }
    Processor.withInterruptMarked { #expect(lock.read().first == 5) }
  }

  #if DEBUG
  @Test func readingInAnInterruptIsFatal() async {
    await #expect(processExitsWith: .failure) {
      let lock = SeqLock<SeqLockTests.Threads, SeqLockTests.Value>(SeqLockTests.Value())
      Processor.withInterruptMarked { _ = lock.read() }
    }
  }

  @Test func readingWhileWritingIsFatal() async {
    await #expect(processExitsWith: .failure) {
      let lock = SeqLock<SeqLockTests.Threads, SeqLockTests.Value>(SeqLockTests.Value())
      lock.write { _ in _ = lock.read() }
    }
  }
  #endif
}
