import Testing

@testable import VirtualMachines

/// Records of what CPUs and threads did, and the table that `apus run --stats` shows.
@Suite struct StatisticsTests {
  @Test func recordsOfCPUsAreParsed() {
    guard case .cpuStatistics(let cpu) = Record("cpu-stats 2 1500000 500000 7 3 1 4 0") else {
      Issue.record("not parsed")
      return
    }
    #expect(cpu.cpu == 2)
    #expect(cpu.busyNanoseconds == 1_500_000)
    #expect(cpu.idleNanoseconds == 500_000)
    #expect(cpu.switches == 7)
    #expect(cpu.preemptions == 3)
    #expect(cpu.pulls == 1)
    #expect(cpu.wakeInterrupts == 4)
    #expect(cpu.idleWhileRunnable == 0)
  }

  @Test func recordsOfThreadsAreParsedWithNamesThatHaveBlanks() {
    guard case .threadStatistics(let thread) = Record("thread-stats 65 3 1 2500000 ready two words")
    else {
      Issue.record("not parsed")
      return
    }
    #expect(thread.number == 65)
    #expect(thread.name == "two words")
    #expect(thread.state == "ready")
    guard case .threadStatistics(let nameless) = Record("thread-stats 66 3 1 0 waiting ") else {
      Issue.record("not parsed")
      return
    }
    #expect(nameless.name == "")
  }

  @Test(arguments: [
    "cpu-stats", "cpu-stats 1 2 3", "cpu-stats 1 2 3 4 5 6 7 x", "cpu-stats 1 2 3 4 5 6 7 8 9",
    "thread-stats", "thread-stats 1 2 3", "thread-stats 1 x 3 4 ready",
  ])
  func whatIsNoRecordIsShown(line: String) {
    #expect(Record(line) == nil)
  }

  @Test func theTableHasTheThreadsThatRanLongestFirst() throws {
    let cpu = try #require(
      CPURecord("0 7500000 2500000 12 3 1 2 0".split(separator: " ").map(String.init)))
    let threads = try [
      "1 3 0 1000000 waiting main", "129 6 0 6500000 running worker",
    ].map { try #require(ThreadRecord($0.split(separator: " ").map(String.init))) }
    #expect(
      StatisticsTable.text([cpu], threads) == """
        cpu  busy ms  idle ms  busy %  switches  preempted  pulls  wake-ups sent  idle while runnable
          0     7.50     2.50      75        12          3      1              2                    0

        thread  priority  cpu  run ms  state    name
           129         6    0    6.50  running  worker
             1         3    0    1.00  waiting  main
        """)
  }

  @Test func manyThreadsAreCutOff() throws {
    let threads = try (1...25).map {
      try #require(ThreadRecord(["\($0)", "3", "0", "\($0)", "waiting", "t"]))
    }
    let lines = StatisticsTable.text([], threads).split(separator: "\n")
    #expect(lines.last == "and 5 more threads")
    #expect(lines.count == 1 + 1 + 20 + 1)
  }

  @Test func theKernelIsToldWhatIsWanted() {
    var configuration = VirtualMachineConfiguration(image: "image", programName: "name")
    #expect(!QEMUCommandLine(configuration).kernelCommandLine.contains("stats"))
    configuration.wantsStatistics = true
    configuration.isCooperative = true
    let line = QEMUCommandLine(configuration).kernelCommandLine
    #expect(line.contains(" stats=1"))
    #expect(line.contains(" threads=cooperative"))
  }
}
