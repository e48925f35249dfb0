import Apus
import CProbe
import GuestTesting

/// What the scheduler promises to threads that compete: see Documentation/Scheduling.md.
enum SchedulingTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Scheduling",
      [
        Test("a thread that computes gives way, but where threads are cooperative", givesWay),
        Test("less urgent threads of all priorities get on beside an urgent one", noneStarves),
        Test("threads of one priority have their turns one after another", turns),
        Test("an urgent thread that waits for a background one does not wait for a normal one") {
          inversion($0, throughAnother: false)
        },
        Test("nor where it waits for another one that waits for it") {
          inversion($0, throughAnother: true)
        },
        Test("no CPU idles while a thread waits that may run there", minimumCPUs: 2, noneIdles),
        Test("64 threads that one wakes keep all CPUs busy", fanOut),
        Test("how late timers are is counted", timersAreCounted),
      ])
  }

  /// Run with `--cooperative` as well: see Tools/test-examples.
  private static func givesWay(_ t: TestContext) {
    let cpu = CPUSet(CPU(index: 0))
    let shared = Locks()
    let before = Scheduler.statistics(of: CPU(index: 0)).preemptions
    let first = spawn(t, on: cpu) {
      shared.isReady.signal()
      let end = MonotonicClock.nanoseconds + 50_000_000
      while MonotonicClock.nanoseconds < end { probe_pause() }
      shared.waits.store(shared.turns.load(ordering: .relaxed) + 1, ordering: .relaxed)
    }
    let urgent = spawn(t, on: cpu, priority: .urgent) {
      shared.isReady.wait()
      _ = shared.turns.wrappingAdd(1, ordering: .relaxed)
    }
    first?.join()
    urgent?.join()
    let isPreemptive = Scheduler.isPreemptive
    t.expect(
      shared.waits.load(ordering: .relaxed), equals: isPreemptive ? 2 : 1,
      "threads that ran by then")
    let count = Scheduler.statistics(of: CPU(index: 0)).preemptions - before
    t.expect(isPreemptive == (count > 0), "\(count) preemptions")
  }

  private static func noneStarves(_ t: TestContext) {
    let turns = Turns()
    let urgent = spawn(t, on: CPUSet(CPU(index: 0)), priority: .urgent) { turns.compute(0) }
    let normal = spawn(t, on: CPUSet(CPU(index: 0))) { turns.compute(1) }
    let background = spawn(t, on: CPUSet(CPU(index: 0)), priority: .background) {
      turns.compute(2)
    }
    // Each computes until the others have had three turns.
    let all = [urgent, normal, background]
    for thread in all { thread?.join() }
    for index in 1...2 {
      let count = turns.count(index)
      t.expect(count >= Turns.wanted && count <= Turns.wanted + 2, "\(count) turns of \(index)")
    }
  }

  private static func turns(_ t: TestContext) {
    let turns = Turns()
    let threads = (0..<3).map { index in
      spawn(t, on: CPUSet(CPU(index: 0))) { turns.compute(index) }
    }
    for thread in threads { thread?.join() }
    for index in 0..<3 {
      let count = turns.count(index)
      t.expect(count >= Turns.wanted && count <= Turns.wanted + 2, "\(count) turns of \(index)")
    }
  }

  /// An urgent thread waits for a mutex that a background one has, by itself or through a normal one that waits for
  /// another mutex; and a normal one computes, all on one CPU.
  private static func inversion(_ t: TestContext, throughAnother: Bool) {
    let cpu = CPUSet(CPU(index: 0))
    var disturbedRounds = 0
    for _ in 0..<5 {
      let shared = Locks()
      let background = spawn(t, on: cpu, priority: .background) {
        shared.inner.withLock { count in
          shared.isTaken.signal()
          let end = MonotonicClock.nanoseconds + 3_000_000
          while MonotonicClock.nanoseconds < end { probe_pause() }
          count += 1
        }
      }
      let another = spawn(t, on: cpu) {
        shared.isTaken.wait()
        if !throughAnother { return shared.isReady.signal() }
        shared.outer.withLock { outer in
          shared.isReady.signal()
          shared.inner.withLock { $0 += 1 }
          outer += 1
        }
      }
      let urgent = spawn(t, on: cpu, priority: .urgent) {
        shared.isReady.wait()
        shared.hasBegun.signal()
        shared.waits.store(1, ordering: .releasing)
        if throughAnother {
          shared.outer.withLock { $0 += 1 }
        } else {
          shared.inner.withLock { $0 += 1 }
        }
        shared.waits.store(2, ordering: .releasing)
      }
      let between = spawn(t, on: cpu) {
        shared.hasBegun.wait()
        while shared.waits.load(ordering: .acquiring) != 2 {
          // Where the owner is less urgent than this thread, it gets here while the urgent one waits.
          if shared.waits.load(ordering: .acquiring) == 1 {
            _ = shared.turns.wrappingAdd(1, ordering: .relaxed)
          }
          probe_pause()
        }
      }
      for thread in [background, another, urgent, between] { thread?.join() }
      if shared.turns.load(ordering: .relaxed) > 0 { disturbedRounds += 1 }
    }
    // Once among so many slices the normal one may have its own as one that starves.
    t.expect(disturbedRounds <= 1, "a normal thread ran in \(disturbedRounds) of 5 rounds")
  }

  private final class Locks: Sendable {
    let inner = Mutex<Int>(0)
    let outer = Mutex<Int>(0)
    let isTaken = Semaphore(0)
    let isReady = Semaphore(0)
    let hasBegun = Semaphore(0)
    let waits = Atomic<Int>(0)
    let turns = Atomic<Int>(0)
  }

  /// Threads that come, go, wait, and compute, each on the CPUs of some set.
  private static func noneIdles(_ t: TestContext) {
    let before = idleWhileRunnable
    let count = CPUSet.online.count
    var random = MemoryTests.SplitMix(seed: 7)
    var threads: [Thread] = []
    for _ in 0..<(count * 4) {
      let cpus = randomCPUs(&random)
      let seed = random.next()
      let thread = spawn(t, on: cpus) {
        var random = MemoryTests.SplitMix(seed: seed)
        for _ in 0..<8 {
          switch random.next() % 4 {
          case 0: Thread.sleep(nanoseconds: 1_000_000)
          case 1: Thread.yield()
          default: for _ in 0..<(random.next() % 200_000) { probe_pause() }
          }
        }
      }
      if let thread { threads.append(thread) }
    }
    for thread in threads {
      try? thread.setAffinity(randomCPUs(&random))
      Thread.yield()
    }
    for thread in threads { thread.join() }
    expectNoneIdled(t, since: before)
  }

  /// How late each went off is counted where it did.
  private static func timersAreCounted(_ t: TestContext) {
    let thread = spawn(t, on: CPUSet(CPU(index: 0))) {
      let before = Scheduler.statistics(of: CPU(index: 0))
      for _ in 0..<20 { Thread.sleep(nanoseconds: 100_000) }
      let after = Scheduler.statistics(of: CPU(index: 0))
      t.expect(after.timers - before.timers >= 20, "\(after.timers - before.timers) timers")
      let late = after.timerLateness - before.timerLateness
      t.expect(late > 0 && after.greatestTimerLateness > 0, "timers are never late")
      t.expect(
        late <= (after.timers - before.timers) * after.greatestTimerLateness,
        "later than the latest: \(late)")
    }
    thread?.join()
  }

  /// A set that is not empty.
  static func randomCPUs(_ random: inout MemoryTests.SplitMix) -> CPUSet {
    let choice = random.next()
    var cpus = CPUSet()
    for cpu in CPUSet.online where choice >> UInt64(cpu.index) & 1 == 1 { cpus.insert(cpu) }
    return cpus.isEmpty ? .online : cpus
  }

  /// Under the clock of instructions, with which `SOAK_MILLISECONDS` comes, none did. By the host's clock a few may
  /// seem to: a host that takes a virtual CPU away for a slice, between the moment at which it puts a thread in a queue
  /// and that at which it tells an idle one, or before an idle one looks, shows as that.
  static func expectNoneIdled(_ t: TestContext, since before: UInt64) {
    let allowed: UInt64 = Environment.value(of: "SOAK_MILLISECONDS") == nil ? 3 : 0
    let count = idleWhileRunnable - before
    t.expect(count <= allowed, "a CPU idled \(count) times while a thread waited")
  }

  /// The sum over all CPUs.
  static var idleWhileRunnable: UInt64 {
    var sum: UInt64 = 0
    for cpu in CPUSet.online { sum += Scheduler.statistics(of: cpu).idleWhileRunnable }
    return sum
  }

  private static func fanOut(_ t: TestContext) {
    let gate = Gate()
    let deadline = MonotonicClock.nanoseconds + 20_000_000_000
    let threads = (0..<64).map { _ in
      spawn(t, stackSize: 16 << 10) {
        _ = gate.begun.wrappingAdd(1, ordering: .relaxed)
        gate.semaphore.wait()
        // Each stays until all CPUs have one.
        let all = CPUSet.online.rawValue
        while gate.arrive() != all && MonotonicClock.nanoseconds < deadline { probe_pause() }
        _ = gate.ended.wrappingAdd(1, ordering: .relaxed)
      }
    }
    // All wait before the first is woken.
    repeat { Thread.sleep(nanoseconds: 1_000_000) } while gate.begun.load(ordering: .relaxed) < 64
    for _ in 0..<64 { gate.semaphore.signal() }
    for thread in threads { thread?.join() }
    t.expect(gate.ended.load(ordering: .relaxed), equals: 64, "threads that ran")
    t.expect(gate.arrive(), equals: CPUSet.online.rawValue, "CPUs that had one of them")
  }

  private final class Gate: Sendable {
    let semaphore = Semaphore(0)
    let cpus = Atomic<UInt64>(0)
    let begun = Atomic<Int>(0)
    let ended = Atomic<Int>(0)

    /// Notes the CPU; returns all that were noted.
    func arrive() -> UInt64 {
      let own = CPUSet(.current).rawValue
      let seen = cpus.load(ordering: .relaxed)
      if seen & own != 0 { return seen }
      return cpus.bitwiseOr(own, ordering: .relaxed).newValue
    }
  }

  /// How often each of up to three threads on one CPU got it, while none of them gives way.
  private final class Turns: Sendable {
    static let wanted = 3
    private let last = Atomic<Int>(-1)
    private let first = Atomic<Int>(0)
    private let second = Atomic<Int>(0)
    private let third = Atomic<Int>(0)

    func count(_ index: Int) -> Int {
      switch index {
      case 0: first.load(ordering: .relaxed)
      case 1: second.load(ordering: .relaxed)
      default: third.load(ordering: .relaxed)
      }
    }

    /// Computes until each one has had as many turns as are wanted.
    func compute(_ index: Int) {
      while count(0) < Self.wanted || count(1) < Self.wanted || count(2) < Self.wanted {
        if last.exchange(index, ordering: .relaxed) != index {
          switch index {
          case 0: _ = first.wrappingAdd(1, ordering: .relaxed)
          case 1: _ = second.wrappingAdd(1, ordering: .relaxed)
          default: _ = third.wrappingAdd(1, ordering: .relaxed)
          }
        }
        probe_pause()
      }
    }
  }

  private static func spawn(
    _ t: TestContext, on cpus: CPUSet? = nil, priority: Thread.Priority = .normal,
    stackSize: Int = Thread.defaultStackSize, _ body: @escaping @Sendable () -> Void
  ) -> Thread? {
    do throws(ThreadError) {
      return try Thread.spawn(
        priority: priority, affinity: cpus, stackSize: stackSize, body)
    } catch {
      t.fail("no thread")
      return nil
    }
  }
}
