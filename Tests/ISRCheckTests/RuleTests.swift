import ISRCheck
import Testing

@Suite struct RuleTests {
  @Test func severitiesAreOrdered() {
    #expect(Severity.note < .warning && Severity.warning < .error && Severity.ignored < .note)
  }

  @Test(arguments: Rule.allCases)
  func hasAllTexts(_ rule: Rule) {
    #expect(!rule.slug.isEmpty && !rule.slug.contains(/[^a-z-]/))
    #expect(!rule.summary.isEmpty && !rule.summary.contains("\n") && rule.summary.count <= 80)
    #expect(rule.explanation.count > 200 && !rule.explanation.contains("\n"))
    #expect(rule.explanation.hasSuffix(".") && !rule.explanation.contains("  "))
    #expect(rule.page.split(separator: "\n").allSatisfy { $0.count <= 90 })
    #expect(rule.listing.contains(rule.slug) && rule.listing.hasPrefix(rule.rawValue))
  }

  @Test func namesAreUnique() {
    #expect(Set(Rule.allCases.map(\.slug)).count == Rule.allCases.count)
    for rule in Rule.allCases {
      #expect(Rule(name: rule.slug) == rule)
      #expect(Rule(name: rule.rawValue.lowercased()) == rule)
    }
    #expect(Rule(name: "ISR0") == nil && Rule(name: "") == nil)
  }

  @Test func explanationPage() throws {
    try GoldenFile("explain.txt").expect(Rule.extendedWrite.page)
  }

  @Test func defaults() {
    let errors = Rule.allCases.filter { $0.defaultSeverity == .error }
    #expect(
      errors == [
        .extendedWrite, .deniedCall, .stackOverflow, .lockInversion, .undeclaredVector,
        .tracedOutside,
      ])
    #expect(Rule.allCases.filter { $0.defaultSeverity == .note } == [.extendedRead])
  }

  @Test func proving() {
    var options = CheckOptions()
    options.prove = true
    let others = Rule.allCases.filter { options.severity(of: $0) != .error }
    #expect(others == [.extendedRead, .notAnnotated])
    #expect(options.restrictions == [])
  }

  @Test func aRuleOfItsOwnComesBeforeAllWarnings() {
    var options = CheckOptions()
    #expect(options.severity(of: .recursion) == .warning)
    options.werror = true
    #expect(options.severity(of: .recursion) == .error)
    #expect(options.severity(of: .extendedRead) == .note)
    options.severities = [.recursion: .warning, .extendedRead: .error, .deniedCall: .ignored]
    #expect(options.severity(of: .recursion) == .warning)
    #expect(options.severity(of: .extendedRead) == .error)
    #expect(options.severity(of: .deniedCall) == .ignored)
  }

  @Test func aProofSaysWhatFlagsTookAway() {
    var options = CheckOptions()
    options.severities = [.recursion: .note]
    #expect(options.restrictions == [])
    options.prove = true
    options.roots = ["apus_nmi", "apus_trap"]
    #expect(
      options.restrictions == [
        "rule ISR005 (recursion) is only a note by a flag",
        "only these roots were checked: apus_nmi, apus_trap",
      ])
  }
}
