import Testing
import VirtualMachines

@Suite("Guest test report")
struct GuestTestReportTests {
  static let place = GuestTestConfiguration(machine: .microvm, cpus: 4)

  @Test("prints a line per test and sums") func lines() {
    var report = GuestTestReport()
    #expect(
      report.add(GuestTestResult(name: "a b", status: .passed, seconds: 0.0124), in: Self.place)
        == ["ok  microvm/4  a b (12 ms)"])
    #expect(
      report.add(GuestTestResult(name: "c", status: .skipped(reason: "why")), in: Self.place)
        == ["skip  microvm/4  c: why"])
    #expect(report.summary == "1 passed, 0 failed, 1 skipped")
    #expect(report.exitStatus == 0)
    #expect(
      report.add(
        GuestTestResult(
          name: "d", status: .failed(messages: ["m", "n"]), seconds: 1, log: ["l"]),
        in: GuestTestConfiguration(machine: .microvmWithoutACPI, cpus: 1))
        == ["FAIL  microvm-noacpi/1  d (1000 ms)", "      m", "      n", "    | l"])
    #expect(report.summary == "1 passed, 1 failed, 1 skipped")
    #expect(report.exitStatus == 1)
  }

  @Test("colours only the word, and only when asked") func colors() {
    var report = GuestTestReport(usesColor: true)
    #expect(
      report.add(GuestTestResult(name: "a", status: .passed), in: Self.place)
        == ["\u{1B}[32mok\u{1B}[0m  microvm/4  a"])
  }

  @Test("a run without any test is no success") func nothing() {
    #expect(GuestTestReport().exitStatus == 1)
    #expect(GuestTestReport().summary == "0 passed, 0 failed")
  }

  @Test("multiplies machines and CPUs in their order") func matrix() throws {
    let matrix = try GuestTestMatrix(cpus: "1,64", machines: "pc,microvm-noacpi")
    #expect(
      matrix.configurations.map(\.description)
        == ["pc/1", "pc/64", "microvm-noacpi/1", "microvm-noacpi/64"])
  }

  @Test("refuses CPU counts and machines that do not exist") func badMatrix() {
    for word in ["", "0", "65", "-1", "two", " 2"] {
      #expect(throws: GuestTestMatrixError.badCPUCount(word)) {
        try GuestTestMatrix(cpus: "1,\(word)", machines: "pc")
      }
    }
    #expect(throws: GuestTestMatrixError.unknownMachine("PC")) {
      try GuestTestMatrix(cpus: "1", machines: "PC")
    }
  }
}
