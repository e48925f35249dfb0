import Testing

@testable import VirtualMachines

/// Records of what CPUs and threads did, and the table that `apus run --stats` shows.
@Suite struct StatisticsTests {
  @Test func recordsOfCPUsAreParsed() {
    guard
      case .cpuStatistics(let cpu) = Record(
        "cpu-stats 2 1500000 500000 7 3 1 4 0 9 11 12 13 14 15 16 17")
    else {
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
    #expect(cpu.threadsStarted == 9)
    #expect(cpu.interruptsSent == 11)
    #expect(cpu.pageFaults == 12)
    #expect(cpu.shootdownsSent == 13)
    #expect(cpu.shootdownsAvoided == 14)
    #expect(cpu.timers == 15)
    #expect(cpu.timerLatenessNanoseconds == 16)
    #expect(cpu.greatestTimerLatenessNanoseconds == 17)
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

  @Test func recordsOfLocksAreParsedWithNamesThatHaveBlanks() {
    guard case .lock(let lock) = Record("lock 4 100 3 700 800 900 1000 2 run queue") else {
      Issue.record("not parsed")
      return
    }
    #expect(lock.name == "run queue" && lock.level == 4 && lock.acquisitions == 100)
    #expect(lock.contentions == 3 && lock.longestWaitNanoseconds == 700)
    #expect(lock.totalHoldNanoseconds == 1000 && lock.lastOwner == 2)
    #expect(
      LockRecord.table([lock]) == """
        lock       level  taken  waited  longest wait  all waits  longest hold  all holds  last CPU
        run queue      4    100       3           0.7        0.8           0.9        1.0         2
        """)
  }

  @Test(arguments: [
    "cpu-stats", "cpu-stats 1 2 3", "cpu-stats 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x",
    "cpu-stats 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "thread-stats", "thread-stats 1 2 3",
    "thread-stats 1 x 3 4 ready", "thread-stats 1 2 3 4", "lock 1 2 3 4 5 6 7 8",
    "lock 1 2 3 4 5 6 7 x name", "trace-thread", "trace-thread x name", "trace-lost 1 2 3",
  ])
  func whatIsNoRecordIsShown(line: String) {
    #expect(Record(line) == nil)
  }

  private static func cpu(_ line: String) throws -> CPURecord {
    try #require(CPURecord(line.split(separator: " ").map(String.init)))
  }

  private static func thread(_ line: String) throws -> ThreadRecord {
    try #require(ThreadRecord(line.split(separator: " ").map(String.init)))
  }

  @Test func theTableHasTheThreadsThatRanLongestFirst() throws {
    let cpus = [try Self.cpu("0 7500000 2500000 12 3 1 2 0 2 5 20 7 14 0 0 0")]
    let threads = [
      try Self.thread("1 3 0 1000000 waiting main"),
      try Self.thread("129 6 0 6500000 running worker"),
    ]
    #expect(
      StatisticsTable.text(cpus, threads) == """
        cpu  busy ms  idle ms  busy %  switches  preempted  pulls  started  IPIs  faults  shootdowns  avoided
          0     7.50     2.50    75.0        12          3      1        2     5      20           7       14

        thread  state    cpu  priority  run ms  cpu %  name
           129  running    0  urgent      6.50   65.0  worker
             1  waiting    0  normal      1.00   10.0  main
        """)
  }

  @Test func severalCPUsHaveASumAndThreadsThatEndedALine() throws {
    let cpus = [
      try Self.cpu("0 7500000 2500000 12 3 1 2 0 2 5 20 7 14 3 4000 2500"),
      try Self.cpu("1 2500000 7500000 1 0 0 0 2 1 0 3 0 0 1 8100 8100"),
    ]
    let lines = StatisticsTable.text(cpus, [try Self.thread("1 0 1 500000 ready ")])
      .split(separator: "\n").map(String.init)
    #expect(
      lines[3]
        == "all    10.00    10.00    50.0        13          3      1        3     5      23           7       14"
    )
    #expect(lines[4] == "4 timers went off: 3.0 us late on average, 8.1 us at most")
    #expect(
      lines.suffix(3) == [
        "     1  ready    1  background    0.50    5.0  -",
        "and 2 threads that ended: 9.50 ms",
        "CPU 1 saw another CPU idle 2 times while a thread waited that may run there: an error of the scheduler's, unless the host took a virtual CPU away",
      ])
  }

  @Test func manyThreadsAreCutOff() throws {
    let threads = try (1...25).map {
      try #require(ThreadRecord(["\($0)", "3", "0", "\($0)0000000", "waiting", "t"]))
    }
    let lines = StatisticsTable.text([], threads).split(separator: "\n")
    // The five that ran for 10 to 50 ms.
    #expect(lines.last == "and 5 more threads: 150.00 ms")
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
