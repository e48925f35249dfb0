import Exploration
import Machine

/// Scenarios with a bug that the explorer must find, and the same without it: an explorer that finds
/// nothing proves nothing.
///
/// Each stands for a kind of bug, and uses as little of the kernel as shows it.
enum PlantedBugs {
  /// Two CPUs add to a counter by a load and a store.
  static func lostUpdate(isFixed: Bool) -> Scenario {
    final class Shared { let count = Atomic<Int>(0) }
    return Scenario("Planted/lost-update") { machine in
      let shared = Shared()
      for _ in 0..<2 {
        machine.cpu {
          if isFixed {
            shared.count.wrappingAdd(1, ordering: .relaxed)
          } else {
            let seen = shared.count.load(ordering: .relaxed)
            shared.count.store(seen + 1, ordering: .relaxed)
          }
        }
      }
      machine.atEnd {
        let count = shared.count.load(ordering: .relaxed)
        machine.check(count == 2, "two CPUs added one each, and the sum is \(count)")
      }
    }
  }

  /// The smallest lock: what the kernel's are need not matter here.
  struct TestLock: ~Copyable {
    let isLocked = Atomic<UInt32>(0)

    func lock() {
      while isLocked.exchange(1, ordering: .acquiring) != 0 { Processor.pause() }
    }

    func unlock() { isLocked.store(0, ordering: .releasing) }
  }

  /// Two CPUs take two locks, in different orders.
  static func lockOrder(isFixed: Bool) -> Scenario {
    final class Shared {
      let a = TestLock()
      let b = TestLock()
    }
    return Scenario("Planted/lock-order") { machine in
      let shared = Shared()
      machine.cpu {
        shared.a.lock()
        shared.b.lock()
        shared.b.unlock()
        shared.a.unlock()
      }
      machine.cpu {
        if isFixed { shared.a.lock() }
        shared.b.lock()
        if !isFixed { shared.a.lock() }
        shared.a.unlock()
        shared.b.unlock()
      }
    }
  }

  /// A CPU halts when it finds nothing to do; without a second look with interrupts off, the interrupt
  /// that came before the halt does not end it.
  static func lostWakeUp(isFixed: Bool) -> Scenario {
    final class Shared { let work = Atomic<UInt32>(0) }
    return Scenario("Planted/lost-wake-up") { machine in
      let shared = Shared()
      machine.onInterrupt { _ in }
      machine.cpu {
        while shared.work.load(ordering: .acquiring) == 0 {
          if isFixed {
            Processor.disableInterrupts()
            if shared.work.load(ordering: .acquiring) == 0 { Processor.waitForInterrupt() }
            Processor.enableInterrupts()
          } else {
            Processor.waitForInterrupt()
          }
        }
      }
      machine.cpu {
        shared.work.store(1, ordering: .releasing)
        Processor.send(.wake, to: 0)
      }
    }
  }

  /// Two owners of an object count themselves out; who is last frees it.
  static func doubleFree(isFixed: Bool) -> Scenario {
    final class Shared {
      let owners = Atomic<Int>(2)
      let frees = Atomic<Int>(0)
    }
    return Scenario("Planted/double-free") { machine in
      let shared = Shared()
      for _ in 0..<2 {
        machine.cpu {
          let isLast: Bool
          if isFixed {
            isLast =
              shared.owners.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0
          } else {
            shared.owners.wrappingSubtract(1, ordering: .acquiringAndReleasing)
            isLast = shared.owners.load(ordering: .acquiring) == 0
          }
          if isLast {
            let before = shared.frees.wrappingAdd(1, ordering: .relaxed).oldValue
            machine.check(before == 0, "the object is freed twice")
          }
        }
      }
      machine.atEnd {
        machine.check(shared.frees.load(ordering: .relaxed) == 1, "the object is not freed")
      }
    }
  }

  /// A lock-free stack of three nodes, from which two CPUs pop; one pushes what it popped again. With
  /// a version beside the head the exchange notices that the head came back.
  static func stackABA(isFixed: Bool) -> Scenario {
    final class Shared {
      /// Version in the upper half, node in the lower, 0 for none.
      let head = Atomic<UInt64>(1)
      let next: [Atomic64] = [Atomic64(0), Atomic64(2), Atomic64(3), Atomic64(0)]
      let owners: [Atomic64] = (0..<4).map { _ in Atomic64(0) }
      let isFixed: Bool
      init(isFixed: Bool) { self.isFixed = isFixed }

      func pop() -> Int? {
        while true {
          let seen = head.load(ordering: .acquiring)
          let node = Int(seen & 0xFF)
          if node == 0 { return nil }
          let following = next[node].value.load(ordering: .relaxed)
          if head.compareExchange(
            expected: seen, desired: tagged(following, after: seen),
            ordering: .acquiringAndReleasing
          ).exchanged {
            return node
          }
          Processor.pause()
        }
      }

      func push(_ node: Int) {
        while true {
          let seen = head.load(ordering: .relaxed)
          next[node].value.store(seen & 0xFF, ordering: .relaxed)
          if head.compareExchange(
            expected: seen, desired: tagged(UInt64(node), after: seen), ordering: .releasing
          ).exchanged {
            return
          }
          Processor.pause()
        }
      }

      private func tagged(_ node: UInt64, after seen: UInt64) -> UInt64 {
        isFixed ? (seen & ~0xFF) + 0x100 | node : node
      }
    }
    return Scenario("Planted/stack-aba") { machine in
      let shared = Shared(isFixed: isFixed)
      func take() -> Int? {
        guard let node = shared.pop() else { return nil }
        let before = shared.owners[node].value.exchange(1, ordering: .relaxed)
        machine.check(before == 0, "node \(node) is handed out while somebody has it")
        return node
      }
      machine.cpu { _ = take() }
      machine.cpu {
        let first = take()
        _ = take()
        if let first {
          shared.owners[first].value.store(0, ordering: .relaxed)
          shared.push(first)
        }
        _ = take()
      }
    }
  }

  /// A CPU says that it is done with memory, whose owner uses it for something else, and then looks at
  /// it once more.
  static func useAfterRelease(isFixed: Bool) -> Scenario {
    final class Shared {
      let isDone = Atomic<UInt32>(0)
      var memory = 1
    }
    return Scenario("Planted/use-after-release") { machine in
      let shared = Shared()
      machine.cpu {
        while shared.isDone.load(ordering: .acquiring) == 0 { Processor.pause() }
        shared.memory = 2
      }
      machine.cpu {
        let early = shared.memory
        shared.isDone.store(1, ordering: .releasing)
        let seen = isFixed ? early : shared.memory
        machine.check(seen == 1, "memory is read that belongs to another")
      }
    }
  }

  /// A handler takes a lock that the code which it interrupted may hold.
  static func lockInHandler(isFixed: Bool) -> Scenario {
    final class Shared {
      let lock = TestLock()
      var events = 0
    }
    return Scenario("Planted/lock-in-handler") { machine in
      let shared = Shared()
      machine.onInterrupt { _ in
        shared.lock.lock()
        shared.events += 1
        shared.lock.unlock()
      }
      machine.interrupt(.timer, on: 0)
      machine.cpu {
        if isFixed { Processor.disableInterrupts() }
        shared.lock.lock()
        shared.events += 1
        shared.lock.unlock()
        if isFixed { Processor.enableInterrupts() }
      }
      machine.atEnd { machine.check(shared.events == 2, "an event is lost") }
    }
  }
}

/// An atomic number that can be an element of an array.
final class Atomic64: Sendable {
  let value: Atomic<UInt64>
  init(_ value: UInt64) { self.value = Atomic(value) }
}
