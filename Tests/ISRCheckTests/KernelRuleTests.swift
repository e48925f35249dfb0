import ELF
import Foundation
import Testing

@testable import ISRCheck

/// Every rule on the test kernel: quiet as it stands, and loud at the one place where a bug is.
@Suite struct KernelRuleTests {
  /// A bug that can be planted, and what must be found then.
  struct Bug: Sendable {
    var define: String
    var rule: Rule
    /// The function of each finding.
    var function: String
    /// What messages or notes of the findings name.
    var named: String = ""
    /// A rule whose notes come along.
    var alsoFound: Rule?
  }

  static let bugs = [
    Bug(
      define: "BUG_FLOAT", rule: .extendedWrite, function: "load_average",
      alsoFound: .extendedRead),
    Bug(define: "BUG_READ", rule: .extendedRead, function: "vector_peek"),
    Bug(define: "BUG_ALLOC", rule: .deniedCall, function: "receive_counted", named: "allocate"),
    Bug(
      define: "BUG_INDIRECT", rule: .unresolvedIndirect, function: "wake_sleepers",
      named: "idle_hook"),
    Bug(
      define: "BUG_RECURSION", rule: .recursion, function: "count_parts",
      named: "count_parts -> count_parts"),
    // The finding is where the hardware enters; its notes say where the bytes go.
    Bug(define: "BUG_STACK", rule: .stackOverflow, function: "", named: "in wake_sleepers"),
    Bug(define: "BUG_FRAME", rule: .unboundedFrame, function: "wake_sleepers"),
    Bug(define: "BUG_STI", rule: .interruptState, function: "timer_interrupt"),
    Bug(
      define: "BUG_LOCK", rule: .lockInversion, function: "count_tick", named: "read_statistics"),
    Bug(define: "BUG_UNDECODABLE", rule: .undecodable, function: "key_unknown"),
    Bug(
      define: "BUG_VECTOR", rule: .undeclaredVector, function: "", named: "of vector_table leads"),
    Bug(define: "BUG_UNANNOTATED", rule: .notAnnotated, function: "count_tick"),
  ]

  /// What is found when nothing is taken for granted and all has to be annotated.
  private func report(_ kernel: TestKernel, defines: [String] = []) throws -> Report {
    var options = CheckOptions()
    options.prove = true
    options.strict = true
    // The image goes away with the kernel.
    return try withExtendedLifetime(kernel) {
      try Checker(path: kernel.image(defines: defines), options: options).report()
    }
  }

  @Test("every rule but that of traces has a bug") func allRules() {
    #expect(Set(Self.bugs.map(\.rule)) == Set(Rule.allCases).subtracting([.tracedOutside]))
  }

  @Test("without a bug nothing is found", arguments: TestKernel.variants)
  func clean(variant: TestKernel.Variant) throws {
    let report = try report(TestKernel(variant))
    #expect(report.findings.map(\.lineForTests) == [])
    #expect(report.roots.map(\.name).sorted() == ["handle_fault", "handle_interrupt"])
    #expect(report.statistics.functionCount > 30)
    // The keyboard's switch, the protocols, the completions; and the dispatch.
    #expect(report.statistics.indirectCounts == ["constant": 3, "registration": 1])
  }

  @Test("a bug is found where it is", arguments: TestKernel.variants)
  func found(variant: TestKernel.Variant) throws {
    let kernel = try TestKernel(variant)
    for bug in Self.bugs {
      let report = try report(kernel, defines: [bug.define])
      let comment = Comment(rawValue: bug.define)
      if bug.rule == .unresolvedIndirect && variant.hasTypeHashes {
        // The hash tells which functions the call may go to, and they are fine.
        #expect(report.findings.map(\.lineForTests) == [], comment)
        #expect(report.statistics.indirectCounts["type-hash"] == 1, comment)
        continue
      }
      let findings = report.findings.filter { $0.rule != bug.alsoFound }
      #expect(findings.contains { $0.rule == bug.rule }, comment)
      for finding in findings {
        let line = Comment(rawValue: "\(bug.define): \(finding.lineForTests)")
        #expect(finding.rule == bug.rule, line)
        if !bug.function.isEmpty { #expect(finding.place.function == bug.function, line) }
      }
      let texts = findings.flatMap { [$0.message] + $0.notes }
      #expect(bug.named.isEmpty || texts.contains { $0.contains(bug.named) }, comment)
      for finding in report.findings where finding.rule == bug.alsoFound {
        #expect(finding.place.function == bug.function, comment)
      }
      #expect(findings.map(\.severity).max() == expectedSeverity(of: bug.rule), comment)
    }
  }

  private func expectedSeverity(of rule: Rule) -> Severity {
    switch rule {
    case .extendedRead: .note
    case .notAnnotated: .warning
    default: .error
    }
  }

  @Test("the chain of calls to a bug", arguments: TestKernel.variants)
  func chain(variant: TestKernel.Variant) throws {
    let report = try report(TestKernel(variant), defines: ["BUG_ALLOC"])
    let finding = try #require(report.findings.first { $0.rule == .deniedCall })
    #expect(finding.root == "handle_interrupt")
    let named = finding.chain.drop { $0.callee != "handle_interrupt" }
    #expect(
      named.map(\.callee) == [
        "handle_interrupt", "dispatch", "network_interrupt", "receive_counted",
      ])
    #expect(named.map(\.step).dropFirst(2) == [.registration, .constant])
  }

  @Test("stacks have bounds", arguments: TestKernel.variants)
  func stacks(variant: TestKernel.Variant) throws {
    let report = try report(TestKernel(variant))
    let stacks = Dictionary(
      uniqueKeysWithValues: report.roots.map { ($0.name, $0) })
    let fault = try #require(stacks["handle_fault"])
    let interrupt = try #require(stacks["handle_interrupt"])
    let (faultBytes, interruptBytes) = (try #require(fault.stack), try #require(interrupt.stack))
    // Eight frames of `tree_depth`, and what the entry code saves.
    #expect((8 * 16...2048).contains(faultBytes))
    #expect((100...2048).contains(interruptBytes))
    // They share a stack, and faults come on top of interrupts.
    #expect(fault.nestedStack == faultBytes + interruptBytes)
    #expect(interrupt.nestedStack == faultBytes + interruptBytes)
    #expect(interrupt.stackSize == 4096)
  }

  @Test("what ran must have been found", arguments: TestKernel.variants)
  func trace(variant: TestKernel.Variant) throws {
    let kernel = try TestKernel(variant)
    defer { withExtendedLifetime(kernel) {} }
    let image = try kernel.image()
    let checker = try Checker(path: image, options: CheckOptions())
    let covered = checker.coverage.addresses.sorted()
    let file = try CodeImage(ELFFile(path: image))
    let outside = try #require(file.functions.addresses(named: "fibonacci").first)
    let directory = try ScratchDirectory()
    var options = CheckOptions()
    options.trace = directory.path("trace")
    for (addresses, expected) in [(covered, []), (covered + [outside], ["fibonacci"])] {
      let lines = ["# a trace"] + addresses.map { "0x" + String($0, radix: 16) }
      try Data(lines.joined(separator: "\n").utf8)
        .write(to: URL(fileURLWithPath: directory.path("trace")))
      let findings = try Checker(path: image, options: options).report().findings
      #expect(
        findings.filter { $0.rule == .tracedOutside }.map(\.place.function) == expected)
    }
  }
}

extension Finding {
  /// What a failed test prints.
  var lineForTests: String { "\(rule.rawValue) \(place.function)+\(place.offset): \(message)" }
}
