import Machine
import Testing
import ThreadScenarios

extension SimulatedMachine {
  /// The classic scenarios of threads, on CPUs that threads of the host play at the same time.
  @Suite struct ThreadScenarioTests {
    private final class Failures: Sendable {
      let messages = TestLock<[String]>([])
    }

    @Test(arguments: ThreadScenario.all.map(\.name), 1...8)
    func holds(_ name: String, cpuCount: Int) throws {
      let scenario = try #require(ThreadScenario.all.first { $0.name == name })
      let failures = Failures()
      let surroundings = ThreadScenario.Surroundings(
        cpuCount: cpuCount, rounds: 300, changes: 2_000, moment: 5_000,
        check: { holds, message in
          if !holds { failures.messages.withLock { [message = message()] in $0.append(message) } }
        }, yieldPoint: SimulatedThreads.takeInterrupts)
      SimulatedThreads.run(cpuCount: cpuCount) { scenario.run(in: surroundings) }
      let messages = failures.messages.withLock { $0 }
      #expect(messages.isEmpty)
    }
  }
}
