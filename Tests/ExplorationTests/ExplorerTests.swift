import Exploration
import Machine
import Testing

/// What the explorer itself promises, on scenarios whose schedules can be counted by hand.
@Suite struct ExplorerTests {
  /// `counts[n]` operations on CPU n, none of which another sees.
  private func operations(_ counts: [Int]) -> Scenario {
    var scenario = Scenario("Counting") { machine in
      let word = Atomic64(0)
      for count in counts {
        machine.cpu {
          for _ in 0..<count { word.value.wrappingAdd(1, ordering: .relaxed) }
        }
      }
      machine.atEnd {
        let sum = word.value.load(ordering: .relaxed)
        machine.check(sum == counts.reduce(0) { $0 + UInt64($1) }, "operations are missing")
      }
    }
    scenario.hasPointsAfterWrites = false
    return scenario
  }

  /// 3 and 4 operations can be mixed in 7! / (3! 4!) ways, 2, 2 and 2 in 6! / (2! 2! 2!).
  @Test(arguments: [([3, 4], 35), ([2, 2, 2], 90), ([5], 1)])
  func searchRunsEachScheduleOnce(counts: [Int], schedules: Int) {
    let result = Explorer.exhaust(operations(counts))
    #expect(result.failure == nil)
    #expect(result.isComplete)
    // The schedules of all smaller bounds are run again on the way to the largest.
    let last = Explorer.exhaust(operations(counts), bound: result.completedBound ?? 0)
    #expect(last.schedulesOfLastBound == schedules)
  }

  /// Without a preemption each CPU runs to its end: only who comes when is left.
  @Test func withoutPreemptionsOnlyTheOrderOfCPUsIsLeft() {
    let result = Explorer.exhaust(operations([2, 2, 2]), bound: 0)
    #expect(result.schedulesOfLastBound == 6)
    #expect(result.completedBound == 0 && !result.isComplete)
  }

  /// A spin that writes.
  private func retry(until gate: Atomic64, _ retries: Atomic64) {
    while gate.value.load(ordering: .acquiring) == 0 {
      retries.value.wrappingAdd(1, ordering: .relaxed)
      Processor.pause()
    }
  }

  /// Spins that write wake each other; the CPU for which both wait gets its turn all the same.
  @Test func spinsThatWriteStarveNobody() {
    let scenario = Scenario("Retries") { machine in
      let gate = Atomic64(0)
      let retries = Atomic64(0)
      for _ in 0..<2 { machine.cpu { retry(until: gate, retries) } }
      machine.cpu { gate.value.store(1, ordering: .releasing) }
    }
    let result = Explorer.exhaust(scenario, limit: 5000)
    #expect(result.failure == nil)
    #expect(result.completedBound != nil)
    #expect(Explorer.sample(scenario, schedules: 1000, firstSeed: 1).failure == nil)
  }

  /// Nor do they put an interrupt off for ever for which another CPU waits.
  @Test func spinsThatWriteTakeInterrupts() {
    let scenario = Scenario("Calls") { machine in
      let gate = Atomic64(0)
      let retries = Atomic64(0)
      machine.onInterrupt { _ in gate.value.store(1, ordering: .releasing) }
      machine.interrupt(.urgent, on: 0)
      for _ in 0..<2 { machine.cpu { retry(until: gate, retries) } }
    }
    let result = Explorer.exhaust(scenario, limit: 5000)
    #expect(result.failure == nil)
    #expect(result.completedBound != nil)
  }

  @Test(arguments: ["-", "3>1", "3>1,18>0,20!2,p17"])
  func scheduleText(text: String) throws {
    #expect(try #require(Schedule(text)).description == text)
  }

  @Test(arguments: ["", "3", "3>", ">1", "3>1;4>0", "x4", "p"])
  func whatIsNoSchedule(text: String) { #expect(Schedule(text) == nil) }

  /// A failed precondition ends the run, not the process, and can be replayed.
  @Test func aTrapIsAFailure() throws {
    let scenario = Scenario("Trap") { machine in
      let word = Atomic64(0)
      machine.cpu {
        let before = word.value.load(ordering: .relaxed)
        precondition(word.value.load(ordering: .relaxed) == before, "planted: this is a test")
      }
      machine.cpu { word.value.store(1, ordering: .relaxed) }
    }
    let failure = try #require(Explorer.exhaust(scenario).failure)
    #expect(failure.failure.kind == .trap)
    #expect(Explorer.replay(scenario, failure.schedule).failure?.failure == failure.failure)
  }

  @Test func aBadAccessIsAFailure() throws {
    let scenario = Scenario("Access") { machine in
      let word = Atomic64(0)
      machine.cpu {
        let address = word.value.load(ordering: .relaxed)
        let pointer = UnsafePointer<UInt64>(bitPattern: UInt(address))
        machine.check(pointer?.pointee ?? 0 == 0, "read")
      }
      machine.cpu { word.value.store(16, ordering: .relaxed) }
    }
    let failure = try #require(Explorer.exhaust(scenario).failure)
    #expect(failure.failure.kind == .trap && failure.failure.message.contains("0x10"))
  }

  @Test func aRunWithoutEndIsAFailure() throws {
    let scenario = Scenario("Endless") { machine in
      let word = Atomic64(0)
      machine.cpu { while true { word.value.wrappingAdd(1, ordering: .relaxed) } }
    }
    #expect(Explorer.exhaust(scenario).failure?.failure.kind == .endless)
  }

  /// Nor does a CPU that comes to no point hold up the explorer for ever.
  @Test func aLoopWithoutPointsIsAFailure() throws {
    let scenario = Scenario("Loop") { machine in
      let word = Atomic64(0)
      machine.cpu {
        var turns = word.value.load(ordering: .relaxed)
        while turns & 1 == 0 { turns &+= 2 }
      }
    }
    let failure = Explorer.exhaust(scenario).failure
    #expect(failure?.failure.kind == .endless, "\(failure?.description ?? "none")")
  }

  /// A spin with a bound gets through it though nobody writes.
  @Test func aBoundedSpinIsNoDeadlock() {
    let scenario = Scenario("BoundedSpin") { machine in
      let word = Atomic64(0)
      for _ in 0..<2 {
        machine.cpu {
          for _ in 0..<64 where word.value.load(ordering: .relaxed) == 0 { Processor.pause() }
        }
      }
    }
    #expect(Explorer.exhaust(scenario, limit: 100).failure == nil)
  }

  @Test func aScenarioThatDependsOnSomethingElseIsNoticed() {
    let runs = Atomic64(0)
    let scenario = Scenario("Irreproducible") { machine in
      let word = Atomic64(0)
      let extra = runs.value.wrappingAdd(1, ordering: .relaxed).oldValue
      machine.cpu { word.value.store(1, ordering: .relaxed) }
      machine.cpu { word.value.store(2, ordering: .relaxed) }
      if extra % 2 == 1 { machine.cpu { word.value.store(3, ordering: .relaxed) } }
    }
    #expect(Explorer.exhaust(scenario).failure?.failure.kind == .irreproducible)
  }

  /// Each CPU has its own index, interrupt flag and count, whatever the others do in between.
  @Test func theStateOfACPUFollowsIt() {
    let scenario = Scenario("State") { machine in
      let word = Atomic64(0)
      for index in 0..<3 {
        machine.cpu {
          if index == 1 { Processor.disableInterrupts() }
          for _ in 0..<index { Processor.disablePreemption() }
          for _ in 0..<3 {
            word.value.wrappingAdd(1, ordering: .relaxed)
            machine.check(
              Processor.index == index && Processor.interruptsAreEnabled == (index != 1)
                && Processor.preemptionCount == index, "CPU \(index) has another's state")
          }
        }
      }
    }
    #expect(Explorer.sample(scenario, schedules: 200).failure == nil)
    #expect(Processor.index == 0 && Processor.preemptionCount == 0)
  }

  /// The timer ends a halt, and simulated time is then at least what was asked for.
  @Test func timers() {
    let scenario = Scenario("Timer") { machine in
      machine.onInterrupt { _ in }
      machine.cpu {
        let deadline = MonotonicClock.nanoseconds + 1_000_000
        OneShotTimer.arm(at: deadline)
        Processor.disableInterrupts()
        Processor.waitForInterrupt()
        machine.check(MonotonicClock.nanoseconds >= deadline, "the timer came early")
      }
    }
    #expect(Explorer.exhaust(scenario).failure == nil)
  }
}
