import Apus
import CProbe
import GuestTesting
import Interrupts
import Locking
import Machine

/// Locks that all CPUs want at once.
enum LockTests {
  enum Counter: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AddressSpaceLevel
    static var name: StaticString { "counter of a test" }
  }

  enum HandlerCounter: LockClass {
    typealias Context = InterruptSafe
    typealias Level = OutputLevel
    static var name: StaticString { "counter of handlers" }
  }

  static let counter = SpinLock<Counter, Int>(0)
  static let handlerCounter = SpinLock<HandlerCounter, Int>(0)

  /// What the queued lock is measured against: no queue, but who comes while others wait lets them
  /// try first.
  struct UnqueuedLock: ~Copyable {
    let isLocked = Atomic<UInt32>(0)
    let waiting = Atomic<UInt32>(0)

    @inline(__always)
    func withLock(_ body: () -> Void) {
      if waiting.load(ordering: .relaxed) != 0 || isLocked.exchange(1, ordering: .acquiring) != 0 {
        wait()
      }
      body()
      isLocked.store(0, ordering: .releasing)
    }

    @inline(never)
    func wait() {
      for _ in 0..<64 {
        if waiting.load(ordering: .relaxed) == 0 { break }
        Processor.pause()
      }
      waiting.wrappingAdd(1, ordering: .relaxed)
      repeat {
        while isLocked.load(ordering: .relaxed) != 0 { Processor.pause() }
      } while isLocked.exchange(1, ordering: .acquiring) != 0
      waiting.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  /// How often each CPU got to do `step` in a time, all at once.
  struct Share {
    var least = Int.max
    var most = 0
    var sum = 0

    init(milliseconds: UInt64, _ step: @Sendable () -> Void) {
      let ready = Atomic<Int>(0)
      let counts = [Int](repeating: 0, count: CPU.count)
      let result = SpinLock<Result, [Int]>(counts)
      let end = MonotonicClock.nanoseconds + (milliseconds + 20) * 1_000_000
      CPUSet.online.run { cpu in
        _ = ready.wrappingAdd(1, ordering: .relaxed)
        while ready.load(ordering: .relaxed) < CPU.count { Processor.pause() }
        var own = 0
        while MonotonicClock.nanoseconds < end {
          step()
          own += 1
        }
        result.withLock { $0[cpu.index] = own }
      }
      for count in result.withLock({ $0 }) {
        least = Swift.min(least, count)
        most = Swift.max(most, count)
        sum += count
      }
    }

    enum Result: LockClass {
      typealias Context = ThreadOnly
      typealias Level = AdmissionLevel
      static var name: StaticString { "result of a test" }
    }
  }

  static let plain = UnqueuedLock()
  static let shared = Atomic<Int>(0)

  /// A critical section of a few hundred instructions.
  @inline(never)
  static func work() {
    for _ in 0..<50 { shared.store(shared.load(ordering: .relaxed) + 1, ordering: .relaxed) }
  }

  static var suite: TestSuite {
    TestSuite(
      name: "Locks",
      [
        Test("no update is lost") { t in
          counter.withLock { $0 = 0 }
          handlerCounter.withLockAndInterruptsDisabled { $0 = 0 }
          CPUSet.online.run { cpu in
            for _ in 0..<2000 {
              counter.withLock { $0 += 1 }
              handlerCounter.withLockAndInterruptsDisabled { $0 += 1 }
            }
          }
          t.expect(counter.withLock { $0 }, equals: 2000 * CPU.count)
          t.expect(
            handlerCounter.withLockAndInterruptsDisabled { $0 }, equals: 2000 * CPU.count)
        },
        Test("CPUs that spin with interrupts off answer", minimumCPUs: 2) { t in
          counter.withLock { $0 = 0 }
          let answers = Atomic<UInt64>(0)
          let rounds = 10
          CPUSet.online.run { _ in
            probe_disable_interrupts()
            for _ in 0..<rounds {
              counter.withLock {
                $0 += 1
                withUnsafePointer(to: answers) {
                  UrgentCall.run(on: .online, probe_count, context: $0)
                }
              }
            }
            probe_enable_interrupts()
          }
          t.expect(counter.withLock { $0 }, equals: rounds * CPU.count)
          t.expect(
            answers.load(ordering: .relaxed), equals: UInt64(rounds * CPU.count * CPU.count))
        },
        Test("every CPU gets its turn", minimumCPUs: 2) { t in
          let queued = Share(milliseconds: 200) { counter.withLock { _ in work() } }
          let open = Share(milliseconds: 200) { plain.withLock { work() } }
          print(
            "lock of \(CPU.count) CPUs: \(queued.sum) queued, \(queued.least)...\(queued.most) a CPU; \(open.sum) unqueued, \(open.least)...\(open.most) a CPU"
          )
          t.expect(queued.least > 0, "a CPU was starved")
        },
      ])
  }
}
