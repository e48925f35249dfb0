import Machine
import Scheduler

extension ThreadScenario {
  /// Two send numbers, two receive them: each number once, those of one sender in their order.
  static let producersAndConsumers = ThreadScenario(name: "producers-and-consumers") { here in
    // Of one consumer each, until the end.
    final class Received: @unchecked Sendable { var numbers: [Int] = [] }
    let channel = Channel<Int>(capacity: 1)
    let received = [Received(), Received()]
    let senders = (0..<2).map { sender -> @Sendable () -> Void in
      {
        for number in 0..<here.rounds {
          do { try channel.send(sender << 32 | number) } catch { here.check(false, "closed") }
          here.yieldPoint()
        }
      }
    }
    let receivers = received.map { received -> @Sendable () -> Void in
      {
        for _ in 0..<here.rounds {
          received.numbers.append(channel.receive() ?? -1)
          here.yieldPoint()
        }
      }
    }
    return Cast(threads: senders + receivers) {
      let sent = (0..<2).flatMap { sender in (0..<here.rounds).map { sender << 32 | $0 } }
      let numbers = received.flatMap(\.numbers)
      here.check(numbers.sorted() == sent, "sent \(sent), received \(numbers)")
      for received in received {
        for sender in 0..<2 {
          let ofOne = received.numbers.filter { $0 >> 32 == sender }
          here.check(ofOne == ofOne.sorted(), "numbers of one sender in the order \(ofOne)")
        }
      }
    }
  }

  /// Two read what two write in two steps.
  static let readersAndWriters = ThreadScenario(name: "readers-and-writers") { here in
    struct Pair: Sendable { var first = 0, second = 0 }
    final class Shared: Sendable { let lock = RWLock<Pair>(Pair()) }
    let shared = Shared()
    let threads = (0..<4).map { index -> @Sendable () -> Void in
      {
        for _ in 0..<here.rounds {
          if index < 2 {
            shared.lock.withWriteLock { pair in
              here.visit(&pair.first)
              here.visit(&pair.second)
            }
          } else {
            shared.lock.withReadLock { pair in
              let first = pair.first
              here.yieldPoint()
              here.check(first == pair.second, "a reader sees one write of two")
            }
          }
          here.yieldPoint()
        }
      }
    }
    return Cast(threads: threads) {
      let counts = shared.lock.withReadLock { [$0.first, $0.second] }
      here.check(counts == [2 * here.rounds, 2 * here.rounds], "a write is lost: \(counts)")
    }
  }

  /// Three eat with two forks each, of which they take the lower one first: nobody starves, and a fork is in one
  /// hand.
  static let philosophers = ThreadScenario(name: "philosophers") { here in
    final class Fork: Sendable { let meals = Mutex<Int>(0) }
    let forks = (0..<3).map { _ in Fork() }
    let threads = (0..<3).map { seat -> @Sendable () -> Void in
      let first = forks[Swift.min(seat, (seat + 1) % 3)]
      let second = forks[Swift.max(seat, (seat + 1) % 3)]
      return {
        for _ in 0..<here.rounds {
          first.meals.withLock { one in
            here.yieldPoint()
            second.meals.withLock { other in
              here.visit(&one)
              here.visit(&other)
            }
          }
          here.yieldPoint()
        }
      }
    }
    return Cast(threads: threads) {
      let meals = forks.map { $0.meals.withLock { $0 } }
      here.check(meals == [Int](repeating: 2 * here.rounds, count: 3), "meals: \(meals)")
    }
  }

  /// Three wait for one word, which is said to all when all of them wait or are about to: each hears each word once,
  /// and none before it is said.
  static let thunderingHerd = ThreadScenario(name: "thundering-herd") { here in
    struct State: Sendable { var said = 0, heard = 0 }
    final class Shared: Sendable {
      let state = Mutex<State>(State())
      let isSaid = Condition()
      let isHeard = Condition()
    }
    let shared = Shared()
    let herd = (0..<3).map { _ -> @Sendable () -> Void in
      {
        for word in 1...here.rounds {
          shared.state.withGuard { guarded in
            while guarded.state.said < word { shared.isSaid.wait(guarded) }
            here.check(guarded.state.said == word, "a word is said before all have heard the last")
            here.visit(&guarded.state.heard)
          }
          shared.isHeard.signal()
        }
      }
    }
    let herder: @Sendable () -> Void = {
      for word in 1...here.rounds {
        shared.state.withLock { $0.said = word }
        shared.isSaid.broadcast()
        shared.state.withGuard { guarded in
          while guarded.state.heard < 3 * word { shared.isHeard.wait(guarded) }
        }
      }
    }
    return Cast(threads: herd + [herder]) {
      let heard = shared.state.withLock { $0.heard }
      here.check(heard == 3 * here.rounds, "words heard: \(heard)")
    }
  }

  /// A timer is cancelled when it is about to go off, perhaps on another CPU than it was set on: it has gone off, or
  /// it was still set and never will. And a permit comes when the time of the thread that waits for it is about to be
  /// over: it has the permit, or the permit is still there.
  static let cancelAgainstFire = ThreadScenario(name: "cancel-against-fire") { here in
    // Ordinary memory: a timer's function does not run any more when it has been cancelled.
    final class Alarm: @unchecked Sendable {
      var fired = 0
      var isOver = false
    }
    final class Shared: Sendable {
      let permits = Semaphore(0)
      let taken = Atomic<Int>(0)
    }
    let shared = Shared()
    let alarming: @Sendable () -> Void = {
      let timer = Timer()
      for round in 0..<here.rounds {
        let alarm = Alarm()
        timer.start(
          at: MonotonicClock.nanoseconds &+ here.moment &* UInt64(round % 4 + 1),
          {
            let alarm = Unmanaged<Alarm>.fromOpaque($0).takeUnretainedValue()
            precondition(!alarm.isOver, "a timer goes off that was cancelled")
            alarm.fired += 1
          }, context: Unmanaged.passUnretained(alarm).toOpaque())
        here.yieldPoint()
        let wasSet = timer.cancel()
        alarm.isOver = true
        here.check(
          alarm.fired == (wasSet ? 0 : 1), "cancelled: \(wasSet), gone off: \(alarm.fired)")
        here.yieldPoint()
      }
    }
    let waiting: @Sendable () -> Void = {
      for round in 0..<here.rounds {
        let deadline = MonotonicClock.nanoseconds &+ here.moment &* UInt64(round % 4 + 1)
        if shared.permits.wait(until: deadline) {
          shared.taken.wrappingAdd(1, ordering: .relaxed)
        } else {
          here.check(MonotonicClock.nanoseconds >= deadline, "the time was not over")
        }
        here.yieldPoint()
      }
    }
    let giving: @Sendable () -> Void = {
      for _ in 0..<here.rounds {
        Thread.sleep(until: MonotonicClock.nanoseconds &+ 2 &* here.moment)
        shared.permits.signal()
        here.yieldPoint()
      }
    }
    return Cast(threads: [alarming, waiting, giving]) {
      var rest = 0
      while shared.permits.tryWait() { rest += 1 }
      let taken = shared.taken.load(ordering: .relaxed)
      here.check(
        rest + taken == here.rounds, "permits given \(here.rounds), taken \(taken), left \(rest)")
    }
  }
}
