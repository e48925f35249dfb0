/// What CPUs and threads did as a terminal shows it: a line for each CPU, then the threads, those that ran
/// longest first, as `top` has them.
public enum StatisticsTable {
  /// How many threads are shown.
  private static let threadLimit = 20

  public static func text(_ cpus: [CPURecord], _ threads: [ThreadRecord]) -> String {
    (cpuLines(cpus) + timerLines(cpus) + [""] + threadLines(threads, cpus) + warnings(cpus)).joined(
      separator: "\n")
  }

  private static func cpuLines(_ cpus: [CPURecord]) -> [String] {
    let headings = [
      "cpu", "busy ms", "idle ms", "busy %", "switches", "preempted", "pulls", "started", "IPIs",
      "faults", "shootdowns", "avoided",
    ]
    var rows = cpus.map { row(String($0.cpu), [$0]) }
    if cpus.count > 1 { rows.append(row("all", cpus)) }
    return TextTable.lines([headings] + rows)
  }

  /// How accurate the timers were.
  private static func timerLines(_ cpus: [CPURecord]) -> [String] {
    let count = cpus.sum(\.timers)
    guard count > 0 else { return [] }
    let mean = LockRecord.microseconds(cpus.sum(\.timerLatenessNanoseconds) / count)
    let greatest = LockRecord.microseconds(cpus.map(\.greatestTimerLatenessNanoseconds).max() ?? 0)
    let timers = "\(count) timer\(count == 1 ? "" : "s") went off"
    return ["\(timers): \(mean) us late on average, \(greatest) us at most"]
  }

  /// The sums over some CPUs.
  private static func row(_ name: String, _ cpus: [CPURecord]) -> [String] {
    let busy = cpus.sum(\.busyNanoseconds)
    let idle = cpus.sum(\.idleNanoseconds)
    let counts = [
      \CPURecord.switches, \.preemptions, \.pulls, \.threadsStarted, \.interruptsSent, \.pageFaults,
      \.shootdownsSent, \.shootdownsAvoided,
    ]
    return [name, milliseconds(busy), milliseconds(idle), percent(busy, of: busy + idle)]
      + counts.map { String(cpus.sum($0)) }
  }

  private static func threadLines(_ threads: [ThreadRecord], _ cpus: [CPURecord]) -> [String] {
    let time = cpus.map { $0.busyNanoseconds + $0.idleNanoseconds }.max() ?? 0
    let sorted = threads.sorted { ($0.runNanoseconds, $1.number) > ($1.runNanoseconds, $0.number) }
    let rows = sorted.prefix(threadLimit).map { thread in
      [
        String(thread.number), thread.state, String(thread.cpu), priority(thread.priority),
        milliseconds(thread.runNanoseconds), percent(thread.runNanoseconds, of: time),
        thread.name.isEmpty ? "-" : thread.name,
      ]
    }
    let headings = ["thread", "state", "cpu", "priority", "run ms", "cpu %", "name"]
    var lines = TextTable.lines([headings] + rows, text: [1, 3, 6])
    let rest = sorted.dropFirst(threadLimit)
    if !rest.isEmpty { lines.append(sentence(rest.count, "more", rest.sum(\.runNanoseconds))) }
    let ended = cpus.sum(\.threadsStarted) - threads.count
    if ended > 0 {
      let time = cpus.sum(\.busyNanoseconds) - threads.sum(\.runNanoseconds)
      lines.append(sentence(ended, "that ended", max(time, 0)))
    }
    return lines
  }

  private static func sentence(_ count: Int, _ which: String, _ time: Int) -> String {
    let threads =
      which == "more"
      ? "\(count) more thread\(count == 1 ? "" : "s")"
      : "\(count) thread\(count == 1 ? "" : "s") \(which)"
    return "and \(threads): \(milliseconds(time)) ms"
  }

  /// What is not to happen, and is worth a line only if it did.
  private static func warnings(_ cpus: [CPURecord]) -> [String] {
    cpus.filter { $0.idleWhileRunnable > 0 }.map {
      "CPU \($0.cpu) saw another CPU idle \($0.idleWhileRunnable) times while a thread waited that may run "
        + "there: an error of the scheduler's, unless the host took a virtual CPU away"
    }
  }

  private static func priority(_ number: Int) -> String {
    switch number {
    case 0: "background"
    case 3: "normal"
    case 6: "urgent"
    default: String(number)
    }
  }

  private static func percent(_ part: Int, of whole: Int) -> String {
    if whole == 0 { return "-" }
    let tenths = Int((Double(part) / Double(whole) * 1000).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  private static func milliseconds(_ nanoseconds: Int) -> String {
    let hundredths = (nanoseconds + 5_000) / 10_000
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }
}

extension Sequence {
  fileprivate func sum(_ value: KeyPath<Element, Int>) -> Int {
    reduce(0) { $0 + $1[keyPath: value] }
  }
}
