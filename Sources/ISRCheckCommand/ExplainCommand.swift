import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck explain`: says what rules mean.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Explain a rule, or list all rules.",
    discussion: """
      Examples:
        isrcheck explain
        isrcheck explain ISR004
        isrcheck explain unresolved-indirect-call
      """)

  @Argument(help: .init("The rule's id or slug; without it, all are listed.", valueName: "rule"))
  var name: String?

  mutating func run() throws {
    guard let name else {
      let lines = Rule.allCases.map(\.listing)
      return try Console.write(lines.map { $0 + "\n" }.joined(), to: .output)
    }
    guard let rule = Rule(name: name) else {
      throw ValidationError("there is no rule '\(name)'; 'isrcheck explain' lists all")
    }
    try Console.write(rule.page, to: .output)
  }
}
