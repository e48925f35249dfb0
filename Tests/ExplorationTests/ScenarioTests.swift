import Exploration
import Foundation
import Testing

/// Runs each scenario over the kernel's modules in many orders.
///
/// The environment chooses, see `make explore`: `APUS_SCHEDULES` is how many schedules of each,
/// `APUS_SCENARIO` a part of the names, `APUS_SEED` the first seed, and `APUS_SCHEDULE` one schedule.
@Suite struct ScenarioTests {
  /// As many scenarios at a time as there are processors: results come one after another, not all at the end.
  private static let processors = Gate(ProcessInfo.processInfo.activeProcessorCount)

  /// Each in a process of its own: some modules have state that all of a machine share, and a scenario
  /// starts it anew for each schedule.
  @Test(arguments: Budget.fromEnvironment.scenarioNames)
  func holds(_ name: String) async throws {
    await Self.processors.enter()
    defer { Task { await Self.processors.leave() } }
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) { [name] in
      guard let scenario = Scenarios.named(name) else { fatalError("no scenario \(name)") }
      Budget.fromEnvironment.explore(scenario)
      exit(0)
    }
    // What a process printed that did not end well is not handed over, so a failure is no exit status.
    guard let result else { return }
    let report = String(decoding: result.standardOutputContent, as: UTF8.self)
      .split(separator: "\n").filter { $0.hasPrefix(Budget.mark) }
      .map { $0.dropFirst(Budget.mark.count) }.joined(separator: "\n")
    if report.hasPrefix("holds") { print(report) } else { Issue.record("\(report)") }
  }
}

/// Lets so many tasks through at a time.
private actor Gate {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

/// How much is explored.
struct Budget: Sendable {
  /// Stands before the lines that are for the reader, in what a process prints.
  static let mark = "explore: "

  let schedules: Int
  let seed: UInt64
  let schedule: Schedule?
  let scenarioNames: [String]

  static var fromEnvironment: Budget {
    // What `make` does not know it sets to nothing.
    let environment = ProcessInfo.processInfo.environment.filter { !$0.value.isEmpty }
    let part = environment["APUS_SCENARIO"] ?? ""
    let names =
      if let exact = Scenarios.named(part) {
        [exact.name]
      } else {
        Scenarios.all.map(\.name).filter { part.isEmpty || $0.contains(part) }
      }
    let budget = Budget(
      schedules: environment["APUS_SCHEDULES"].flatMap { Int($0) } ?? 500,
      seed: environment["APUS_SEED"].flatMap { UInt64($0) } ?? 1,
      schedule: environment["APUS_SCHEDULE"].flatMap { Schedule($0) }, scenarioNames: names)
    if let text = environment["APUS_SCHEDULE"], budget.schedule == nil {
      fatalError("this is no schedule: \(text)")
    }
    return budget
  }

  /// Explores a scenario and prints what came of it.
  ///
  /// A third of the schedules goes to the complete search, which a small scenario does not use up; the
  /// others are random.
  func explore(_ scenario: Scenario) {
    let clock = ContinuousClock()
    let start = clock.now
    var words: [String] = []
    var count = 0
    var steps = 0
    var failure: FailedSchedule?
    if let schedule {
      failure = Explorer.replay(scenario, schedule).failure
      (count, words) = (1, ["the one asked for"])
    } else if schedules == 1 {
      failure = Explorer.sample(scenario, schedules: 1, firstSeed: seed).failure
      (count, words) = (1, ["seed \(seed)"])
    } else {
      let search = Explorer.exhaust(scenario, limit: schedules / 3)
      (count, steps, failure) = (search.schedules, search.steps, search.failure)
      if search.isComplete {
        words.append("complete: \(search.schedulesOfLastBound)")
      } else if let bound = search.completedBound {
        words.append("complete up to \(bound) preemptions")
      }
      if failure == nil {
        let sample = Explorer.sample(
          scenario, schedules: max(schedules - count, 1), firstSeed: seed)
        count += sample.schedules
        steps += sample.steps
        failure = sample.failure
      }
    }
    let seconds =
      Double((clock.now - start).components.attoseconds) / 1e18
      + Double((clock.now - start).components.seconds)
    let outcome = failure == nil ? "holds" : "FAILS"
    var report =
      "\(outcome)  \(scenario.name): \(count) schedules (\(words.joined(separator: ", "))), "
      + "\(steps) operations, \(String(format: "%.1f", seconds)) s"
    if let failure { report += "\n\(failure)" }
    for line in report.split(separator: "\n") { print("\(Self.mark)\(line)") }
    fflush(nil)
  }
}
