import Apus
import Scheduler

/// Threads on one CPU, and on several.
enum Threads {
  static var all: [Benchmark] {
    [
      // A round is a yield of each of two threads.
      Benchmark("yield-pair", rounds: 1_000, prepare: prepare) { run in
        yield(run)
      },
      Benchmark("thread-create-join", rounds: 1_000, prepare: prepare) { run in
        createAndJoin(run)
      },
      Benchmark("thread-create-join-late", rounds: 1_000, prepare: startMany) { run in
        createAndJoin(run)
      },
      // Each of two threads wakes the other one, whose CPU halts by then, and waits: what both CPUs do from
      // there to the thread's next instruction, the way into the halt included.
      Benchmark("wake-idle-cpu", rounds: 500, operations: 2, prepare: prepare) { run in
        pingPong(run, CPUSet(CPU(index: 0)), CPUSet(CPU(index: 1)))
      },
      // The same where both may only use one CPU, and where they may use four.
      Benchmark("ping-pong-one-cpu", rounds: 1_000, operations: 2, prepare: prepare) { run in
        pingPong(run, CPUSet(CPU(index: 0)), CPUSet(CPU(index: 0)))
      },
      Benchmark("ping-pong-four-cpus", rounds: 1_000, operations: 2, prepare: prepare) { run in
        pingPong(run, .online, .online)
      },
      // The same by a value through each of two channels.
      Benchmark("channel-ping-pong", rounds: 1_000, operations: 2, prepare: prepareChannels) {
        run in
        channelPingPong(run)
      },
      Benchmark("fork-join", speedUp: forkJoin),
    ]
  }

  /// Work that only computes, as one thread and as two that are joined: the best of several times for each,
  /// taken in turn, so that what else the host does meets both.
  private static func forkJoin() -> (one: UInt64, two: UInt64) {
    let turns: UInt64 = 40_000_000
    var best = (one: UInt64.max, two: UInt64.max)
    for _ in 0..<8 {
      best.one = Swift.min(best.one, time { finish([spawn { compute(turns) }]) })
      best.two = Swift.min(
        best.two,
        time {
          finish([spawn { compute(turns / 2) }, spawn { compute(turns / 2) }])
        })
    }
    return best
  }

  private static func time(_ body: () -> Void) -> UInt64 {
    let start = MonotonicClock.nanoseconds
    body()
    return MonotonicClock.nanoseconds - start
  }

  /// Steps of a generator of random numbers, which nobody can leave out. Marsaglia 2003.
  private static func compute(_ turns: UInt64) {
    var value: UInt64 = 88_172_645_463_325_252
    for _ in 0..<turns {
      value ^= value &<< 13
      value ^= value &>> 7
      value ^= value &<< 17
    }
    // Never so: a value that is not 0 never becomes it.
    if value == 0 { Benchmarks.fail("the generator is wrong") }
  }

  private static let there = Semaphore(0)
  private static let back = Semaphore(0)

  /// Two threads on CPUs of these sets; this one's instructions, which are counted, are few.
  private static func pingPong(_ run: Run, _ one: CPUSet, _ other: CPUSet) {
    counting(on: one.union(other)) {
      finish([
        spawn(on: one) {
          run {
            there.signal()
            back.wait()
          }
        },
        spawn(on: other) {
          run {
            there.wait()
            back.signal()
          }
        },
      ])
    }
  }

  /// Two threads of the CPU that counts.
  static func yield(_ run: Run) {
    let cpu = CPUSet(CPU(index: 0))
    finish([spawn(on: cpu) { run { Thread.yield() } }, spawn(on: cpu) { run { Thread.yield() } }])
  }

  /// Threads may run on any CPU.
  static func createAndJoin(_ run: Run) {
    counting(on: .online) { finish([spawn { run { spawn {}.join() } }]) }
  }

  /// Counts on all of these CPUs, wherever the thread that runs `body` is, which is CPU 0.
  private static func counting(on cpus: CPUSet, _ body: () -> Void) {
    Marks.stop()
    let cpus = cpus.union(CPUSet(CPU(index: 0)))
    cpus.interrupt { _ in Marks.start() }
    body()
    cpus.interrupt { _ in Marks.stop() }
    Marks.start()
  }

  private static let requests = Channel<Int>(capacity: 1)
  private static let answers = Channel<Int>(capacity: 1)

  /// Makes what channels keep.
  private static func prepareChannels() {
    prepare()
    channelPingPong(Run(rounds: 10, isEmpty: false))
  }

  private static func channelPingPong(_ run: Run) {
    let cpu = CPUSet(CPU(index: 0))
    finish([
      spawn(on: cpu) {
        run {
          try? requests.send(1)
          _ = answers.receive()
        }
      },
      spawn(on: cpu) {
        run {
          _ = requests.receive()
          try? answers.send(1)
        }
      },
    ])
  }

  /// Makes the stacks that the scheduler keeps.
  static func prepare() {
    finish([spawn { spawn {}.join() }, spawn {}])
  }

  private static func startMany() {
    prepare()
    for _ in 0..<100_000 { spawn {}.join() }
  }

  static func spawn(
    on cpus: CPUSet? = nil, _ body: @escaping @Sendable () -> Void
  ) -> Thread {
    guard let thread = try? Thread.spawn(affinity: cpus, body) else { Benchmarks.fail("no thread") }
    return thread
  }

  /// Waits for threads.
  static func finish(_ threads: [Thread]) {
    for thread in threads { thread.join() }
  }
}
