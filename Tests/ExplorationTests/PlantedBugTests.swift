import Exploration
import Testing

/// A planted bug, how it must show, and how many schedules may be needed to find it.
struct PlantedBug: Sendable, CustomTestStringConvertible {
  let name: String
  let scenario: @Sendable (_ isFixed: Bool) -> Scenario
  let kind: Failure.Kind
  let exhaustiveBudget: Int
  let randomBudget: Int

  var testDescription: String { name }

  static let all = [
    PlantedBug(
      name: "lost update", scenario: { PlantedBugs.lostUpdate(isFixed: $0) }, kind: .check,
      exhaustiveBudget: 20, randomBudget: 100),
    PlantedBug(
      name: "lock order", scenario: { PlantedBugs.lockOrder(isFixed: $0) }, kind: .deadlock,
      exhaustiveBudget: 50, randomBudget: 200),
    PlantedBug(
      name: "lost wake-up", scenario: { PlantedBugs.lostWakeUp(isFixed: $0) }, kind: .deadlock,
      exhaustiveBudget: 50, randomBudget: 200),
    PlantedBug(
      name: "double free", scenario: { PlantedBugs.doubleFree(isFixed: $0) }, kind: .check,
      exhaustiveBudget: 20, randomBudget: 100),
    PlantedBug(
      name: "ABA", scenario: { PlantedBugs.stackABA(isFixed: $0) }, kind: .check,
      exhaustiveBudget: 200, randomBudget: 10_000),
    PlantedBug(
      name: "use after release", scenario: { PlantedBugs.useAfterRelease(isFixed: $0) },
      kind: .check, exhaustiveBudget: 20, randomBudget: 100),
    PlantedBug(
      name: "lock in handler", scenario: { PlantedBugs.lockInHandler(isFixed: $0) },
      kind: .deadlock, exhaustiveBudget: 20, randomBudget: 100),
    PlantedBug(
      name: "stale translation", scenario: { PlantedBugs.staleTranslation(isFixed: $0) },
      kind: .check, exhaustiveBudget: 100, randomBudget: 200),
  ]
}

@Suite(.serialized) struct PlantedBugTests {
  @Test(arguments: PlantedBug.all) func isFoundBySearch(_ bug: PlantedBug) throws {
    let result = Explorer.exhaust(bug.scenario(false), limit: bug.exhaustiveBudget)
    let failure = try #require(result.failure, "not found in \(result.schedules) schedules")
    #expect(failure.failure.kind == bug.kind, "\(failure)")
    print("\(bug.name): found by search in \(failure.number) schedules\n\(failure)")
    let again = Explorer.replay(bug.scenario(false), failure.schedule)
    #expect(again.failure?.failure == failure.failure)
  }

  @Test(arguments: PlantedBug.all) func isFoundAtRandom(_ bug: PlantedBug) throws {
    let result = Explorer.sample(bug.scenario(false), schedules: bug.randomBudget)
    let failure = try #require(result.failure, "not found in \(result.schedules) schedules")
    #expect(failure.failure.kind == bug.kind, "\(failure)")
    print("\(bug.name): found at random in \(failure.number) schedules")
    let seed = try #require(failure.seed)
    let again = Explorer.sample(bug.scenario(false), schedules: 1, firstSeed: seed)
    #expect(again.failure?.schedule == failure.schedule)
  }

  @Test(arguments: PlantedBug.all) func isNotFoundWhereThereIsNone(_ bug: PlantedBug) {
    let search = Explorer.exhaust(bug.scenario(true), limit: 20_000)
    #expect(search.failure == nil, "\(search.failure?.description ?? "")")
    print(
      "\(bug.name) put right: \(search.schedules) schedules, \(search.isComplete ? "all" : "up to \(search.completedBound ?? -1) preemptions")"
    )
    let sample = Explorer.sample(bug.scenario(true), schedules: 2000)
    #expect(sample.failure == nil, "\(sample.failure?.description ?? "")")
  }
}
