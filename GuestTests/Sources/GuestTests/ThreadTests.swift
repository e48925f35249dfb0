import Apus
import CProbe
import GuestTesting

/// Threads as applications use them: many, preempted, urgent, waiting.
enum ThreadTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Threads",
      [
        Test("a thread that never gives way is preempted") { t in
          withPinnedCaller { cpu in
            let state = Shared()
            let spinning = spawn(t, on: cpu) {
              state.started.store(1, ordering: .releasing)
              while state.isOver.load(ordering: .acquiring) == 0 { pause() }
            }
            // Neither gives way: each sees the other's progress only where both are preempted.
            while state.started.load(ordering: .acquiring) == 0 { pause() }
            state.isOver.store(1, ordering: .releasing)
            spinning?.join()
          }
        },
        Test("vector registers survive preemption") { t in
          let spoilt = Shared()
          var threads: [Thread] = []
          for seed in 1...(CPUSet.online.count * 3) {
            let thread = spawn(t) {
              for turn in 0..<20 {
                if probe_vectors_survive(UInt64(seed * 1000 + turn), 50_000) == 0 {
                  spoilt.count()
                }
              }
            }
            if let thread { threads.append(thread) }
          }
          for thread in threads { thread.join() }
          t.expect(
            spoilt.started.load(ordering: .relaxed), equals: 0, "threads with spoilt registers")
        },
        Test("an urgent thread runs at once where a normal one computes") { t in
          withPinnedCaller { cpu in
            let state = Shared()
            let urgent = spawn(t, on: cpu, priority: .urgent) {
              for _ in 0..<20 {
                Thread.sleep(nanoseconds: 200_000)
                state.started.wrappingAdd(1, ordering: .relaxed)
              }
              state.isOver.store(1, ordering: .releasing)
            }
            // Less than a slice is left to this thread between two turns of the other one.
            var turns = 0
            while state.isOver.load(ordering: .acquiring) == 0 {
              turns += 1
              pause()
            }
            urgent?.join()
            t.expect(state.started.load(ordering: .relaxed), equals: 20, "turns")
            t.expect(turns > 0, "the normal thread did not run")
          }
        },
        Test("an urgent thread that another CPU wakes preempts", minimumCPUs: 2) { t in
          let cpu = CPU(index: 1)
          let state = Shared()
          let semaphore = Permits()
          let urgent = spawn(t, on: cpu, priority: .urgent) {
            for _ in 0..<50 {
              semaphore.wanted.wait()
              semaphore.done.signal()
            }
          }
          let busy = spawn(t, on: cpu) {
            state.started.store(1, ordering: .releasing)
            while state.isOver.load(ordering: .acquiring) == 0 { pause() }
          }
          while state.started.load(ordering: .acquiring) == 0 { Thread.yield() }
          for _ in 0..<50 {
            semaphore.wanted.signal()
            semaphore.done.wait()
          }
          state.isOver.store(1, ordering: .releasing)
          urgent?.join()
          busy?.join()
        },
        Test("a background thread does not starve") { t in
          withPinnedCaller { cpu in
            let state = Shared()
            let background = spawn(t, on: cpu, priority: .background) {
              state.started.store(1, ordering: .releasing)
            }
            // As long as this thread computes, the other one only runs if it is given a slice.
            while state.started.load(ordering: .acquiring) == 0 { pause() }
            background?.join()
          }
        },
        Test("a thread that runs elsewhere is moved at once", minimumCPUs: 2) { t in
          let state = Shared()
          let moved = spawn(t, on: CPU(index: 1)) {
            while CPU.current.index == 1 { pause() }
            state.started.store(CPU.current.index + 1, ordering: .releasing)
          }
          Thread.sleep(nanoseconds: 1_000_000)
          do throws(ThreadError) { try moved?.setAffinity(CPUSet(CPU(index: 0))) } catch {
            t.fail("not moved")
          }
          moved?.join()
          t.expect(state.started.load(ordering: .acquiring), equals: 1, "the CPU, plus one")
        },
        Test("64 threads that one wakes all run") { t in
          let state = Shared()
          let permits = Permits()
          var threads: [Thread] = []
          for _ in 0..<64 {
            let thread = spawn(t, stackSize: 16 << 10) {
              permits.wanted.wait()
              state.count()
              permits.done.signal()
            }
            if let thread { threads.append(thread) }
          }
          for _ in 0..<10 { Thread.yield() }
          for _ in 0..<64 { permits.wanted.signal() }
          for _ in 0..<64 { permits.done.wait() }
          t.expect(state.started.load(ordering: .relaxed), equals: 64, "threads that ran")
          for thread in threads { thread.join() }
        },
        Test("a wait ends at its deadline") { t in
          let semaphore = Semaphore(0)
          let start = MonotonicClock.nanoseconds
          t.expect(!semaphore.wait(until: start + 3_000_000), "a permit came from nowhere")
          let waited = MonotonicClock.nanoseconds - start
          t.expect(waited >= 3_000_000, "waited \(waited) ns")
          t.expect(!semaphore.wait(until: 0), "a permit came from nowhere")
          semaphore.signal()
          t.expect(semaphore.wait(until: 0), "the permit is lost")
        },
        Test("a timer goes off again and again, until it is cancelled") { t in
          let count = Shared()
          let timer = Timer()
          timer.start(
            at: MonotonicClock.nanoseconds + 1_000_000, every: 1_000_000,
            { Unmanaged<Shared>.fromOpaque($0)._withUnsafeGuaranteedRef { $0.count() } },
            context: Unmanaged.passUnretained(count).toOpaque())
          while count.started.load(ordering: .relaxed) < 3 { Thread.sleep(nanoseconds: 500_000) }
          t.expect(timer.cancel(), "it was not set any more")
          let seen = count.started.load(ordering: .relaxed)
          Thread.sleep(nanoseconds: 3_000_000)
          t.expect(count.started.load(ordering: .relaxed), equals: seen, "times it went off")
        },
        Test("10,000 threads are alive at once, and their memory comes back") { t in
          Memory.reclaim()
          let before = Memory.freeByteCount
          manyThreads(t, count: 10_000)
          Memory.reclaim()
          Memory.reclaim()
          t.expect(
            Memory.freeByteCount >= before - 65_536,
            "\(before - Memory.freeByteCount) bytes are gone")
        },
        Test("results come by handles, of which some are let go") { t in
          let count = Shared()
          var handles: [JoinHandle<Int>] = []
          for index in 0..<20 {
            do throws(ThreadError) {
              handles.append(
                try Thread.spawn { () -> Int in
                  if index == 7 { Thread.exit() }
                  return index
                })
              _ = try Thread.spawn { () -> Int in
                count.count()
                return index
              }
            } catch {
              t.fail("no thread: \(error)")
            }
          }
          var sum = 0
          for handle in handles { sum += handle.join() ?? 1000 }
          t.expect(sum, equals: 190 - 7 + 1000, "the sum of the results")
          let end = MonotonicClock.nanoseconds + 10_000_000_000
          while count.started.load(ordering: .relaxed) < 20, MonotonicClock.nanoseconds < end {
            Thread.sleep(nanoseconds: 1_000_000)
          }
          t.expect(count.started.load(ordering: .relaxed), equals: 20, "threads that were let go")
        },
        Test("what a thread cannot be is said") { t in
          func refused(
            _ expected: ThreadError, _ affinity: CPUSet? = nil, _ stackSize: Int = 65_536
          ) {
            do throws(ThreadError) {
              try Thread.spawn(affinity: affinity, stackSize: stackSize) {}.join()
              t.fail("there is a thread with a stack of \(stackSize) bytes")
            } catch {
              t.expect(error == expected, "\(stackSize) bytes: \(error)")
            }
          }
          for size in [Int.min, -1, 0, 4095] { refused(.stackTooSmall, nil, size) }
          for size in [1 << 39, 1 << 60, Int.max] { refused(.outOfMemory, nil, size) }
          refused(.noCPU, CPUSet())
          refused(.noCPU, CPUSet(CPU(index: CPU.maximumCount - 1)))
        },
        Test("a thread is found in the list of all, by the name that it was given") { t in
          let permits = Permits()
          var thread: Thread?
          do throws(ThreadError) {
            thread = try Thread.spawn(name: "a\nb ä and 31 bytes, but no more", priority: .urgent) {
              permits.done.signal()
              permits.wanted.wait()
            }
          } catch {
            t.fail("no thread: \(error)")
          }
          permits.done.wait()
          let found = Thread.all.filter { $0.number == thread?.number }
          t.expect(found.count, equals: 1, "entries")
          if let entry = found.first {
            t.expect(
              entry.name.utf8.elementsEqual("a?b ä and 31 bytes, but no mor".utf8), entry.name)
            t.expect(entry.priority == .urgent, "\(entry.priority)")
          }
          let own = Thread.all.filter { $0.number == Thread.current.number }
          t.expect(own.count == 1 && own[0].state == .running, "this thread does not run")
          permits.wanted.signal()
          thread?.join()
        },
        Test("100,000 threads are started and joined on all CPUs") { t in
          let count = Shared()
          CPUSet.online.run { _ in
            for _ in 0..<(100_000 / CPUSet.online.count) {
              spawn(t) { count.count() }?.join()
            }
          }
          t.expect(
            count.started.load(ordering: .relaxed),
            equals: 100_000 / CPUSet.online.count * CPUSet.online.count, "threads that ran")
        },
      ])
  }

  private final class Shared: Sendable {
    let started = Atomic<Int>(0)
    let isOver = Atomic<Int>(0)
    func count() { started.wrappingAdd(1, ordering: .relaxed) }
  }

  private final class Permits: Sendable {
    let wanted = Semaphore(0)
    let done = Semaphore(0)
  }

  /// Threads that all wait at the same time.
  static func manyThreads(_ t: TestContext, count: Int) {
    let gate = Permits()
    let arrived = Shared()
    var threads: [Thread] = []
    threads.reserveCapacity(count)
    for _ in 0..<count {
      let thread = spawn(t, stackSize: Thread.minimumStackSize) {
        arrived.count()
        gate.wanted.wait()
      }
      if let thread { threads.append(thread) }
    }
    while arrived.started.load(ordering: .relaxed) < threads.count {
      Thread.sleep(nanoseconds: 1_000_000)
    }
    t.expect(threads.count, equals: count, "threads that are alive")
    for _ in threads { gate.wanted.signal() }
    for thread in threads { thread.join() }
  }

  private static func spawn(
    _ t: TestContext, on cpu: CPU? = nil, priority: Thread.Priority = .normal,
    stackSize: Int = Thread.defaultStackSize, _ body: @escaping @Sendable () -> Void
  ) -> Thread? {
    do throws(ThreadError) {
      return try Thread.spawn(
        priority: priority, affinity: cpu.map { CPUSet($0) }, stackSize: stackSize, body)
    } catch {
      t.fail("no thread")
      return nil
    }
  }

  /// Runs `body` with the calling thread kept on its CPU.
  private static func withPinnedCaller(_ body: (CPU) -> Void) {
    let caller = Thread.current
    let before = caller.affinity
    let cpu = CPU(index: 0)
    try? caller.setAffinity(CPUSet(cpu))
    body(cpu)
    try? caller.setAffinity(before)
  }

  private static func pause() { probe_pause() }
}
