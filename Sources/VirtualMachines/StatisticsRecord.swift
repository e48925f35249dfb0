/// What one CPU of a machine did, up to the machine's end.
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
  /// Threads that were started on it.
  public var threadsStarted: Int
  /// Interrupts that it sent to other CPUs, for whatever reason.
  public var interruptsSent: Int
  /// Page faults that it had.
  public var pageFaults: Int
  /// How often it told another CPU to forget translations, and how often it did not have to tell one.
  public var shootdownsSent: Int
  public var shootdownsAvoided: Int
  /// Timers that went off there, by how much they were late in all, and by how much the latest.
  public var timers: Int
  public var timerLatenessNanoseconds: Int
  public var greatestTimerLatenessNanoseconds: Int

  init?(_ fields: [String]) {
    guard let numbers = RecordFields(fields, numbers: 16)?.numbers else { return nil }
    cpu = numbers[0]
    busyNanoseconds = numbers[1]
    idleNanoseconds = numbers[2]
    switches = numbers[3]
    preemptions = numbers[4]
    pulls = numbers[5]
    wakeInterrupts = numbers[6]
    idleWhileRunnable = numbers[7]
    threadsStarted = numbers[8]
    interruptsSent = numbers[9]
    pageFaults = numbers[10]
    shootdownsSent = numbers[11]
    shootdownsAvoided = numbers[12]
    timers = numbers[13]
    timerLatenessNanoseconds = numbers[14]
    greatestTimerLatenessNanoseconds = numbers[15]
  }
}

/// A thread that was there at the machine's end.
public struct ThreadRecord: Equatable, Sendable, Encodable {
  public var number: Int
  public var priority: Int
  /// Where it ran last.
  public var cpu: Int
  /// For how long it has run.
  public var runNanoseconds: Int
  /// `running`, `ready`, `waiting`, or `ended` and not joined.
  public var state: String
  public var name: String

  init?(_ fields: [String]) {
    guard let parsed = RecordFields(fields, numbers: 4, hasText: true), fields.count > 4 else {
      return nil
    }
    number = parsed.numbers[0]
    priority = parsed.numbers[1]
    cpu = parsed.numbers[2]
    runNanoseconds = parsed.numbers[3]
    state = fields[4]
    name = fields.dropFirst(5).joined(separator: " ")
  }
}
