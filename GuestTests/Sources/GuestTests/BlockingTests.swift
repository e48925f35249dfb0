import Apus
import GuestTesting

/// What threads wait for, with more threads than CPUs.
enum BlockingTests {
  private static let threadCount = 12
  private static let rounds = 200

  static var suite: TestSuite {
    TestSuite(
      name: "Blocking",
      [
        Test("a mutex lets one thread in at a time", mutex),
        Test("a mutex is given up after its deadline", mutexDeadline),
        Test("readers and writers see whole states", readersAndWriters),
        Test("a condition loses no wake-up", condition),
        Test("a channel loses nothing and keeps the order", channel),
        Test("a closed channel ends its receivers", closedChannel),
        Test("threads meet at a barrier", barrier),
        Test("philosophers eat", philosophers),
        Test("something is done once", once),
        Test("each thread has a value of its own", threadLocal),
        Test("a parallel loop visits each number once", parallelLoop),
        Test("parallel loops may be nested", nestedLoops),
        Test("a pool does all tasks", pool),
        Test("a pool's tasks leave nothing behind", poolLeavesNothing),
        Test("a mutex that is locked by its owner", dies: "panic") {
          shared.mutex.withLock { _ in shared.mutex.withLock { $0 += 1 } }
        },
      ])
  }

  /// What the threads of a test meet at.
  private final class Shared: Sendable {
    let mutex = Mutex<Int>(0)
    let changed = Condition()
    let pair = RWLock<Pair>(Pair())
    let forks = Forks()
    let barrier = Barrier(count: BlockingTests.threadCount)
    let once = Once()
    let count = Atomic<Int>(0)
    let wrong = Atomic<Int>(0)

    func complain() { _ = wrong.wrappingAdd(1, ordering: .relaxed) }
  }

  private struct Pair: Sendable {
    var first = 0
    var second = 0
  }

  private struct Forks: ~Copyable, Sendable {
    let zero = Mutex<Int>(0)
    let one = Mutex<Int>(0)
    let two = Mutex<Int>(0)
  }

  private static let shared = Shared()

  /// Runs threads, whose CPUs change meanwhile, and waits for all.
  private static func run(_ count: Int = threadCount, _ body: @escaping @Sendable (Int) -> Void) {
    var threads: [Thread] = []
    for index in 0..<count {
      guard let thread = try? Thread.spawn({ body(index) }) else { fatalError("no thread") }
      threads.append(thread)
    }
    for round in 0..<20 {
      let cpu = CPU(index: round % CPU.count)
      try? threads[round % count].setAffinity(round % 3 == 0 ? CPUSet(cpu) : .online)
      Thread.yield()
    }
    for thread in threads { thread.join() }
  }

  private static func mutex(_ test: TestContext) {
    let shared = Shared()
    run { index in
      for round in 0..<rounds {
        shared.mutex.withLock { count in
          let before = count
          if (round + index) % 16 == 0 { Thread.yield() }
          count = before + 1
        }
      }
    }
    test.expect(shared.mutex.withLock { $0 }, equals: threadCount * rounds)
  }

  private static func mutexDeadline(_ test: TestContext) {
    let shared = Shared()
    let guarded = shared.mutex.withGuard { guarded in
      let begin = MonotonicClock.nanoseconds
      run(3) { _ in
        let got: Void? = shared.mutex.withLock(until: begin + 5_000_000) { $0 += 1 }
        if got != nil || MonotonicClock.nanoseconds < begin + 5_000_000 { shared.complain() }
      }
      return guarded.state
    }
    test.expect(guarded, equals: 0)
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
    // Nothing is left of those who gave up.
    let got: Void? = shared.mutex.withLock(until: 0) { $0 += 1 }
    test.expect(got != nil, "a free mutex cannot be had")
  }

  private static func readersAndWriters(_ test: TestContext) {
    let shared = Shared()
    run { index in
      for round in 0..<rounds {
        if (index + round) % 4 == 0 {
          shared.pair.withWriteLock { pair in
            pair.first += 1
            if round % 16 == 0 { Thread.yield() }
            pair.second += 1
          }
        } else {
          shared.pair.withReadLock { pair in
            let first = pair.first
            if round % 16 == 0 { Thread.yield() }
            if first != pair.second { shared.complain() }
          }
        }
      }
    }
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
    test.expect(shared.pair.withReadLock { $0.second }, equals: threadCount * rounds / 4)
  }

  private static func condition(_ test: TestContext) {
    let shared = Shared()
    run { index in
      for _ in 0..<rounds {
        if index % 2 == 0 {
          shared.mutex.withLock { $0 += 1 }
          shared.changed.signal()
        } else {
          shared.mutex.withGuard { guarded in
            while guarded.state == 0 { shared.changed.wait(guarded) }
            guarded.state -= 1
          }
        }
      }
    }
    test.expect(shared.mutex.withLock { $0 }, equals: 0)
  }

  private static func channel(_ test: TestContext) {
    let channel = Channel<Int>(capacity: 3)
    let shared = Shared()
    let perSender = rounds
    run { index in
      if index % 2 == 0 {
        for number in 0..<perSender {
          do throws(Channel<Int>.SendError) {
            try channel.send(index * perSender + number)
          } catch { shared.complain() }
        }
      } else {
        // Of one sender's numbers each receiver sees later ones later.
        var last = [Int](repeating: -1, count: threadCount)
        for _ in 0..<perSender {
          guard let number = channel.receive() else { return shared.complain() }
          if number <= last[number / perSender] { shared.complain() }
          last[number / perSender] = number
          _ = shared.count.wrappingAdd(number, ordering: .relaxed)
        }
      }
    }
    var expected = 0
    for index in stride(from: 0, to: threadCount, by: 2) {
      for number in 0..<perSender { expected += index * perSender + number }
    }
    test.expect(shared.count.load(ordering: .relaxed), equals: expected)
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
  }

  private static func closedChannel(_ test: TestContext) {
    let channel = Channel<Int>(capacity: 2)
    let shared = Shared()
    run { index in
      if index == 0 {
        for number in 0..<rounds { try? channel.send(number) }
        channel.close()
      } else {
        while channel.receive() != nil { _ = shared.count.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    test.expect(shared.count.load(ordering: .relaxed), equals: rounds)
    test.expect((try? channel.send(1)) == nil, "a closed channel takes an element")
  }

  private static func barrier(_ test: TestContext) {
    let shared = Shared()
    run { _ in
      for round in 1...20 {
        _ = shared.count.wrappingAdd(1, ordering: .relaxed)
        if shared.barrier.wait() { shared.mutex.withLock { $0 += 1 } }
        if shared.count.load(ordering: .relaxed) < round * threadCount { shared.complain() }
      }
    }
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
    test.expect(shared.mutex.withLock { $0 }, equals: 20)
  }

  private static func philosophers(_ test: TestContext) {
    let shared = Shared()
    run(3) { seat in
      for _ in 0..<rounds {
        switch seat {
        case 0: eat(shared.forks.zero, shared.forks.one)
        case 1: eat(shared.forks.one, shared.forks.two)
        default: eat(shared.forks.zero, shared.forks.two)
        }
      }
    }
    let meals =
      shared.forks.zero.withLock { $0 } + shared.forks.one.withLock { $0 }
      + shared.forks.two.withLock { $0 }
    test.expect(meals, equals: 6 * rounds)
  }

  private static func eat(_ first: borrowing Mutex<Int>, _ second: borrowing Mutex<Int>) {
    first.withLock { one in
      second.withLock { other in
        one += 1
        other += 1
      }
    }
  }

  private static func once(_ test: TestContext) {
    let shared = Shared()
    run { _ in
      shared.once.run {
        Thread.sleep(nanoseconds: 1_000_000)
        _ = shared.count.wrappingAdd(1, ordering: .relaxed)
      }
      if shared.count.load(ordering: .relaxed) != 1 { shared.complain() }
    }
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
  }

  private static let local = ThreadLocal { 7 }

  private static func threadLocal(_ test: TestContext) {
    let shared = Shared()
    run { index in
      if local.value != 7 { shared.complain() }
      local.value = index
      for _ in 0..<10 {
        Thread.yield()
        if local.value != index { shared.complain() }
      }
    }
    test.expect(shared.wrong.load(ordering: .relaxed), equals: 0)
    test.expect(local.value, equals: 7)
  }

  private static func parallelLoop(_ test: TestContext) {
    for count in [0, 1, 2, 7, 1000, 300_000] {
      let visits = parallelMap(0..<count) { $0 * 3 }
      var wrong = 0
      for index in 0..<count where visits[index] != index * 3 { wrong += 1 }
      test.expect(wrong, equals: 0, "of \(count)")
      let sum = parallelReduce(0..<count, 0) {
        $0 += visits[$1]
      } combine: {
        $0 += $1
      }
      test.expect(sum, equals: 3 * count * (count - 1) / 2, "of \(count)")
    }
  }

  private static func nestedLoops(_ test: TestContext) {
    let shared = Shared()
    parallelFor(0..<8) { _ in
      parallelFor(0..<8) { _ in
        for _ in 0..<1000 { _ = shared.count.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    test.expect(shared.count.load(ordering: .relaxed), equals: 64_000)
  }

  private static func pool(_ test: TestContext) {
    guard let pool = try? TaskPool() else { return test.fail("no threads") }
    var tasks: [PoolTask<Int>] = []
    for number in 0..<500 { tasks.append(pool.submit { number * number }) }
    // A task that waits for tasks.
    let nested = pool.submit { () -> Int in
      let parts = [pool.submit { 1 }, pool.submit { 2 }]
      return parts[0].value + parts[1].value
    }
    test.expect(nested.value, equals: 3)
    pool.finish()
    var sum = 0
    for task in tasks { sum += task.value }
    test.expect(sum, equals: 500 * 499 * 999 / 6)
  }

  private static func poolLeavesNothing(_ test: TestContext) {
    let alive = Alive()
    guard let pool = try? TaskPool() else { return test.fail("no threads") }
    for _ in 0..<100 {
      let held = Held(alive)
      pool.submit { held.alive.count.load(ordering: .relaxed) }
    }
    pool.finish()
    test.expect(alive.count.load(ordering: .relaxed), equals: 0, "what tasks held, after them")
  }

  private final class Alive: Sendable {
    let count = Atomic<Int>(0)
  }

  private final class Held: Sendable {
    let alive: Alive

    init(_ alive: Alive) {
      self.alive = alive
      _ = alive.count.wrappingAdd(1, ordering: .relaxed)
    }

    deinit { _ = alive.count.wrappingSubtract(1, ordering: .relaxed) }
  }
}
