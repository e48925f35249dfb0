#if DEBUG
import Locking
import Machine
import Testing

/// What the compiler cannot see ends a checked build, with the names of the locks.
@Suite struct LockViolationTests {
  enum Frames: LockClass {
    typealias Context = ThreadOnly
    typealias Level = FrameLevel
    static var name: StaticString { "frames of a test" }
  }

  enum Heap: LockClass {
    typealias Context = ThreadOnly
    typealias Level = HeapLevel
    static var name: StaticString { "heap of a test" }
  }

  enum Log: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "log of a test" }
  }

  enum Late: LockClass {
    typealias Context = ThreadOnly
    typealias Level = NoLevel
    static var name: StaticString { "late" }
  }

  private func expect(_ text: String, in result: ExitTest.Result?) {
    let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    #expect(output.contains(text), "it says: \(output)")
  }

  @Test func theWrongOrder() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let frames = SpinLock<Frames, Int>(0)
      let heap = SpinLock<Heap, Int>(0)
      frames.withLock { _ in heap.withLock { _ in } }
    }
    expect("lock \"heap of a test\" of level 3 is taken inside of a lock that is", in: result)
    expect("not below it: \"frames of a test\" of level 4", in: result)
  }

  @Test func twoOfTheSameLevel() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let one = SpinLock<Heap, Int>(0)
      let other = SpinLock<Heap, Int>(0)
      one.withLock { _ in other.withLock { _ in } }
    }
    expect("is not below it: \"heap of a test\"", in: result)
  }

  @Test func recursion() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let lock = SpinLock<Heap, Int>(0)
      lock.withLock { _ in lock.withLock { _ in } }
    }
    expect("\"heap of a test\" of level 3 is taken by the CPU that holds it", in: result)
  }

  @Test func aThreadOnlyLockInAnInterrupt() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let lock = SpinLock<Heap, Int>(0)
      Processor.withInterruptMarked { lock.withLock { _ in } }
    }
    expect("\"heap of a test\" of level 3 is thread-only and taken in an interrupt", in: result)
  }

  @Test func aThreadOnlyLockInsideAnInterruptSafeOne() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let log = SpinLock<Log, Int>(0)
      let late = SpinLock<Late, Int>(0)
      log.withLockAndInterruptsDisabled { _ in late.withLock { _ in } }
    }
    expect("\"late\" of level 10 is thread-only and taken inside of an interrupt-safe", in: result)
    expect("lock: \"log of a test\" of level 9", in: result)
  }

  @Test func interruptsTurnedOnBehindTheProof() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let log = SpinLock<Log, Int>(0)
      Processor.withInterruptsDisabledProof { proof in
        Processor.enableInterrupts()
        log.withLock(interruptsDisabled: proof) { _ in }
      }
    }
    expect(
      "\"log of a test\" of level 9 is interrupt-safe and taken with interrupts on", in: result)
  }

  @Test func interruptsAssumedOffThatAreOn() async {
    await #expect(processExitsWith: .failure) {
      InterruptsDisabled.assumed { _ in }
    }
  }

  /// The thread that ends with a lock in its hands stands for one that was moved to another CPU.
  @Test func aReleaseByAnotherCPU() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardOutputContent]
    ) {
      let lock = SpinLock<Heap, Int>(0)
      let state = TestLock<Bool>(false)
      lock.withLock { _ in
        HeldLocksOfThread.forget()
        state.withLock { $0 = true }
      }
    }
    expect("\"heap of a test\" of level 3 is given back by a CPU that does not hold it", in: result)
  }
}

/// Makes a thread look like a CPU that holds nothing.
enum HeldLocksOfThread {
  static func forget() {
    UnsafeMutableRawBufferPointer(start: Processor.lockingStorage, count: 512)
      .initializeMemory(as: UInt8.self, repeating: 0)
  }
}
#endif
