import Testing
import VirtualMachines

@Suite("Guest test run")
struct GuestTestRunTests {
  /// Plays records, one per second, into a run. Text that does not begin with `!` is log.
  func play(_ lines: [String]) throws -> GuestTestRun {
    var run = GuestTestRun()
    for (second, line) in lines.enumerated() {
      if line.first == "!" {
        run.receive(try #require(Record(String(line.dropFirst()))), at: Double(second))
      } else {
        run.receive(logLine: line)
      }
    }
    return run
  }

  @Test("a test that begins and passes has passed") func passes() throws {
    var run = try play(["!booted cpus=2", "!test begin a%20b", "!test pass a%20b", "!tests done"])
    #expect(run.finish(.exited(status: 0), at: 9).isEmpty)
    #expect(run.results == [GuestTestResult(name: "a b", status: .passed, seconds: 1)])
  }

  @Test("every expectation that did not hold is told, with the test's log") func fails() throws {
    var run = try play([
      "before", "!test begin a", "inside", "!test fail a one", "!test fail a two%21",
      "!test begin b", "!test pass b", "!tests done",
    ])
    #expect(run.finish(.exited(status: 1), at: 9).isEmpty)
    #expect(
      run.results == [
        GuestTestResult(
          name: "a", status: .failed(messages: ["one", "two!"]), seconds: 4, log: ["inside"]),
        GuestTestResult(name: "b", status: .passed, seconds: 1),
      ])
  }

  @Test("results come with the record that ends their test") func streams() throws {
    var run = try play(["!test begin a"])
    #expect(run.receive(.test(.pass(name: "a")), at: 3).map(\.name) == ["a"])
    #expect(run.receive(.test(.skip(name: "b", reason: "r")), at: 4).map(\.name) == ["b"])
    #expect(run.receive(.testsDone, at: 5).isEmpty)
  }

  @Test(
    "a test that was running when the machine ended has failed",
    arguments: [
      (Outcome.Reason.timedOut, "the time ran out"), (.panicked, "the kernel panicked"),
      (.reset, "the guest reset itself"), (.exited(status: 0), "the image ended with status 0"),
      (.outOfMemory, "the guest's memory ran out"),
      (.qemuFailed(message: "no such device"), "QEMU failed (no such device)"),
    ])
  func diesInside(reason: Outcome.Reason, clause: String) throws {
    var run = try play(["!test begin a", "last words"])
    #expect(
      run.finish(reason, at: 7) == [
        GuestTestResult(
          name: "a", status: .failed(messages: ["was running when \(clause)"]), seconds: 7,
          log: ["last words"])
      ])
  }

  @Test("an image that says nothing, or not that its tests are done, has failed") func notDone()
    throws
  {
    for lines in [["log"], ["log", "!test begin a", "!test pass a"]] {
      var run = try play(lines)
      let ended = run.finish(.exited(status: 0), at: 9)
      #expect(ended.map(\.name) == [GuestTestResult.image])
      #expect(
        ended.first?.status
          == .failed(messages: ["the image ended with status 0 before all tests had run"]))
      #expect(ended.first?.log == ["log"])
    }
  }

  @Test("an image that ends badly after its tests has failed") func badEnd() throws {
    for reason in [Outcome.Reason.timedOut, .exited(status: 3), .exited(status: 1), .panicked] {
      var run = try play(["!test begin a", "!test pass a", "!tests done"])
      #expect(run.finish(reason, at: 9).filter(\.isFailure).count == 1)
    }
    var run = try play(["!test begin a", "!test fail a m", "!tests done"])
    #expect(run.finish(.exited(status: 0), at: 9).filter(\.isFailure).count == 1)
  }

  @Test("a test that began and never ended has failed, though others follow") func neverEnded()
    throws
  {
    let streams = [
      ["!test begin a", "!test begin b", "!test pass b", "!tests done"],
      ["!test begin a", "!tests done"],
      ["!test begin a", "!test skip b no", "!tests done"],
      ["!test begin a", "!test dies b x", "!tests done"],
    ]
    for lines in streams {
      let run = try play(lines)
      #expect(run.results.first?.name == "a")
      #expect(run.results.first?.status == .failed(messages: ["began and never ended"]))
    }
  }

  @Test("records that fit no test are failures") func strayRecords() throws {
    let run = try play(["!test pass a", "!test fail b m", "!tests done"])
    #expect(run.results.map(\.isFailure) == [true, true])
  }

  @Test("a test is skipped for a reason") func skips() throws {
    let run = try play(["!test skip a needs%202%20CPUs", "!tests done"])
    #expect(
      run.results == [GuestTestResult(name: "a", status: .skipped(reason: "needs 2 CPUs"))])
  }

  @Test("tests that end their machine are run later") func deathTests() throws {
    var run = try play(["!test dies a page%20fault", "!tests done"])
    #expect(run.finish(.exited(status: 0), at: 9).isEmpty)
    #expect(run.results.isEmpty)
    #expect(run.deathTests == [GuestDeathTest(name: "a", expected: "page fault")])
  }

  static let death = GuestDeathTest(name: "a", expected: "page fault")

  @Test("a death test passes by a panic that says what is expected") func dies() throws {
    var run = try play(["!test begin a", "PANIC: page fault at 0", "!panic"])
    let result = run.finish(Self.death, .panicked, at: 3)
    #expect(
      result
        == GuestTestResult(
          name: "a", status: .passed, seconds: 3, log: ["PANIC: page fault at 0"]))
  }

  @Test(
    "a death test fails by any other end",
    arguments: [
      (["!test begin a", "PANIC: double fault", "!panic"], Outcome.Reason.panicked),
      (["page fault", "!test begin a", "PANIC", "!panic"], .panicked),
      (["PANIC: page fault", "!panic"], .panicked),
      (["!test begin a", "page fault"], .timedOut),
      (["!test begin a", "page fault"], .reset),
      (["!test begin a", "page fault", "!test fail a m", "!tests done"], .exited(status: 1)),
      (["!test begin a", "!test fail a m", "page fault", "!panic"], .panicked),
      (["!test begin b", "page fault", "!panic"], .panicked),
      ([], .exited(status: 0)),
    ])
  func survives(lines: [String], reason: Outcome.Reason) throws {
    var run = try play(lines)
    let result = run.finish(Self.death, reason, at: 3)
    #expect(result.name == "a")
    #expect(result.isFailure)
  }

  @Test("a log without end keeps its latest lines") func longLog() throws {
    var run = try play(["!test begin a"] + (0..<10_000).map { "line \($0)" })
    let result = try #require(run.finish(.timedOut, at: 1).first)
    #expect((1000...2000).contains(result.log.count))
    #expect(result.log.last == "line 9999")
  }
}
