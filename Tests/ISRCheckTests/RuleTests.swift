import ISRCheck
import Testing

@Suite struct RuleTests {
  @Test func severitiesAreOrdered() {
    #expect(Severity.note < .warning && Severity.warning < .error && Severity.ignored < .note)
  }
}
