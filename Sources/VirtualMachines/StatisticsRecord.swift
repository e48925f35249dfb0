/// What one CPU of a machine did, at the application's end.
public struct CPURecord: Equatable, Sendable, Encodable {
  /// The CPU's index.
  public var cpu: Int
  /// For how long it ran threads, and for how long it had none.
  public var busyNanoseconds: Int
  public var idleNanoseconds: Int
  /// Threads that it went on with, and those of them for which another one had to give way.
  public var switches: Int
  public var preemptions: Int
  /// Threads that it took from other CPUs.
  public var pulls: Int
  /// Interrupts that it sent so that another CPU looks for threads.
  public var wakeInterrupts: Int
  /// How often it saw another CPU idle while a thread waited that may run there.
  public var idleWhileRunnable: Int

  init?(_ fields: [String]) {
    let numbers = fields.compactMap { Int($0) }
    guard numbers.count == 8, fields.count == 8 else { return nil }
    cpu = numbers[0]
    busyNanoseconds = numbers[1]
    idleNanoseconds = numbers[2]
    switches = numbers[3]
    preemptions = numbers[4]
    pulls = numbers[5]
    wakeInterrupts = numbers[6]
    idleWhileRunnable = numbers[7]
  }
}

/// A thread that was alive at the application's end.
public struct ThreadRecord: Equatable, Sendable, Encodable {
  public var number: Int
  public var priority: Int
  /// Where it ran last.
  public var cpu: Int
  /// For how long it has run.
  public var runNanoseconds: Int
  /// `running`, `ready` or `waiting`.
  public var state: String
  public var name: String

  init?(_ fields: [String]) {
    let numbers = fields.prefix(4).compactMap { Int($0) }
    guard numbers.count == 4, fields.count > 4 else { return nil }
    number = numbers[0]
    priority = numbers[1]
    cpu = numbers[2]
    runNanoseconds = numbers[3]
    state = fields[4]
    name = fields.dropFirst(5).joined(separator: " ")
  }
}

/// The figures as a terminal shows them: a line for each CPU, then the threads that ran longest.
public enum StatisticsTable {
  /// How many threads are shown.
  private static let threadLimit = 20

  public static func text(_ cpus: [CPURecord], _ threads: [ThreadRecord]) -> String {
    let cpuRows =
      [
        [
          "cpu", "busy ms", "idle ms", "busy %", "switches", "preempted", "pulls", "wake-ups sent",
          "idle while runnable",
        ]
      ]
      + cpus.map { cpu in
        let all = cpu.busyNanoseconds + cpu.idleNanoseconds
        return [
          String(cpu.cpu), milliseconds(cpu.busyNanoseconds), milliseconds(cpu.idleNanoseconds),
          all == 0 ? "-" : String((cpu.busyNanoseconds * 100 + all / 2) / all),
        ]
          + [cpu.switches, cpu.preemptions, cpu.pulls, cpu.wakeInterrupts, cpu.idleWhileRunnable]
          .map(String.init)
      }
    let sorted = threads.sorted { ($0.runNanoseconds, $1.number) > ($1.runNanoseconds, $0.number) }
    let threadRows =
      [["thread", "priority", "cpu", "run ms", "state", "name"]]
      + sorted.prefix(threadLimit).map { thread in
        [
          String(thread.number), String(thread.priority), String(thread.cpu),
          milliseconds(thread.runNanoseconds), thread.state, thread.name,
        ]
      }
    var lines = table(cpuRows, leftFrom: 9) + [""] + table(threadRows, leftFrom: 4)
    if sorted.count > threadLimit { lines.append("and \(sorted.count - threadLimit) more threads") }
    return lines.joined(separator: "\n")
  }

  private static func milliseconds(_ nanoseconds: Int) -> String {
    let hundredths = (nanoseconds + 5_000) / 10_000
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }

  /// Columns as wide as their widest cell, numbers to the right, and from one column on text to the left.
  private static func table(_ rows: [[String]], leftFrom: Int) -> [String] {
    guard let heading = rows.first else { return [] }
    let widths = heading.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return column < leftFrom ? padding + row[column] : row[column] + padding
      }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
