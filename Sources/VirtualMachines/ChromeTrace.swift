/// Recorded events as a file in the trace event format of Chrome, which Perfetto opens: a row for each CPU
/// with the threads that ran there, and in them what interrupted them.
///
/// On a row spans lie in each other or apart, and the file has them in the order in which they begin: viewers
/// take that for granted.
public struct ChromeTrace {
  /// Something on the row of a CPU.
  private struct Event {
    var cpu: Int
    var time: UInt64
    /// When a span is over; for others its start.
    var end: UInt64
    /// As the format has it, without what is in the other members.
    var phase: Phase
    var name: String
    var category: String
    var arguments: [String: String] = [:]
    var isThread = false
  }

  private enum Phase: Equatable {
    case span
    case moment
    /// The two ends of an arrow.
    case arrowStart(Int)
    case arrowEnd(Int)
  }

  private let names: ThreadNames
  private var events: [Event] = []
  private var end: UInt64 = 0

  /// The JSON text of what was recorded from an image called `name`.
  public static func json(_ recorded: RecordedTrace, name: String) -> String {
    var trace = ChromeTrace(recorded)
    let cpus = Set(recorded.records.map(\.cpu)).sorted()
    for cpu in cpus {
      trace.add(recorded.records.filter { $0.cpu == cpu && $0.kind != .name }, of: cpu)
      if let lost = recorded.lost[cpu] { trace.addLost(lost, on: cpu) }
    }
    trace.addArrows(recorded.records)
    let lines =
      headings(cpus, name)
      + trace.events.sorted { ($0.time, $1.end) < ($1.time, $0.end) }.map(line)
    let lost = recorded.lost.values.reduce(0, +)
    return
      "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"lost events\":\"\(lost)\"},\"traceEvents\":[\n"
      + lines.joined(separator: ",\n") + "\n]}\n"
  }

  private init(_ recorded: RecordedTrace) {
    names = ThreadNames(recorded)
    end = recorded.records.lazy.filter { $0.kind != .name }.map(\.end).max() ?? 0
  }

  // MARK: What a CPU did

  /// Adds the events of one CPU, in the order in which they were recorded: spans at their end.
  private mutating func add(_ records: [TraceRecord], of cpu: Int) {
    var spans: [Event] = []
    var running: (number: Int, since: UInt64)?
    func endOfThread(at time: UInt64) {
      guard let thread = running, thread.number != 0 else { return }
      spans.append(
        Event(
          cpu: cpu, time: thread.since, end: time, phase: .span, name: names[thread.number],
          category: "thread", arguments: ["thread": "\(thread.number)"], isThread: true))
    }
    for record in records {
      if record.kind == .switch {
        endOfThread(at: record.time)
        running = (Int(truncatingIfNeeded: record.first), record.time)
      } else if let span = span(record, after: running?.since) {
        spans.append(span)
      } else if let moment = moment(record) {
        events.append(moment)
      }
    }
    endOfThread(at: end)
    events += Self.nested(spans)
  }

  /// What lasted. A thread that lost the CPU in the middle, in a page fault, goes on elsewhere: of such a span
  /// the part is shown from when it went on.
  private func span(_ record: TraceRecord, after start: UInt64?) -> Event? {
    var arguments: [String: String] = [:]
    let name: String
    switch record.kind {
    case .interrupt: name = Self.interruptName(record.first)
    case .fault:
      name = "page fault"
      arguments["address"] = Self.hex(record.first)
    case .shootdown:
      name = "shootdown"
      arguments["address"] = Self.hex(record.first)
      arguments["CPUs"] = CPUList(bits: record.second).description
    case .lockWait:
      name = "wait for a spin lock"
      arguments["lock"] = Self.hex(record.first)
    case .switch, .wake, .pull, .spawn, .name: return nil
    }
    let time = max(record.time, start ?? 0)
    if time > record.time {
      arguments["began earlier by µs"] = JSONText.microseconds(time - record.time)
    }
    return Event(
      cpu: record.cpu, time: min(time, record.end), end: record.end, phase: .span, name: name,
      category: "kernel", arguments: arguments)
  }

  private func moment(_ record: TraceRecord) -> Event? {
    let thread = names[Int(truncatingIfNeeded: record.first)]
    let name: String
    let arguments: [String: String]
    switch record.kind {
    case .spawn: (name, arguments) = ("start \(thread)", ["priority": "\(record.second)"])
    case .wake: (name, arguments) = ("wake \(thread)", ["for CPU": "\(record.second)"])
    case .pull: (name, arguments) = ("pull \(thread)", ["from CPU": "\(record.second)"])
    default: return nil
    }
    return Event(
      cpu: record.cpu, time: record.time, end: record.time, phase: .moment, name: name,
      category: "scheduler", arguments: arguments)
  }

  private mutating func addLost(_ count: Int, on cpu: Int) {
    let first = events.lazy.filter { $0.cpu == cpu }.map(\.time).min() ?? 0
    events.append(
      Event(
        cpu: cpu, time: first, end: first, phase: .moment,
        name: "\(count) earlier events were not kept", category: "trace"))
  }

  /// An arrow from each wake-up to where the thread went on, if both are inside of spans, to which viewers
  /// attach them.
  private mutating func addArrows(_ records: [TraceRecord]) {
    var wakes: [UInt64: TraceRecord] = [:]
    var count = 0
    let spans = Dictionary(grouping: events.filter { $0.phase == .span }, by: \.cpu)
    let moves = records.filter { ($0.kind == .wake || $0.kind == .switch) && $0.first != 0 }
    for record in moves.sorted(by: { $0.time < $1.time }) {
      if record.kind == .wake {
        wakes[record.first] = record
      } else if let wake = wakes.removeValue(forKey: record.first),
        spans[wake.cpu, default: []].contains(where: { $0.time <= wake.time && wake.time <= $0.end }
        )
      {
        count += 1
        for (end, phase) in [(wake, Phase.arrowStart(count)), (record, .arrowEnd(count))] {
          events.append(
            Event(
              cpu: end.cpu, time: end.time, end: end.time, phase: phase, name: "wake-up",
              category: "wake-up"))
        }
      }
    }
  }

  /// Spans of one CPU, cut off where one would outlast another one in which it begins.
  private static func nested(_ spans: [Event]) -> [Event] {
    var ends: [UInt64] = []
    return spans.sorted {
      ($0.time, $1.end, $0.isThread ? 0 : 1) < ($1.time, $0.end, $1.isThread ? 0 : 1)
    }.map { span in
      while let last = ends.last, last <= span.time { ends.removeLast() }
      var span = span
      if let last = ends.last { span.end = min(span.end, last) }
      ends.append(span.end)
      return span
    }
  }

  /// The kernel's vectors, see `InterruptVector` of the kernel.
  private static func interruptName(_ vector: UInt64) -> String {
    switch vector {
    case 0x40: "timer interrupt"
    case 0x41: "call from another CPU"
    case 0x42: "wake-up interrupt"
    case 0x43: "urgent call from another CPU"
    default: "interrupt \(vector)"
    }
  }

  private static func hex(_ value: UInt64) -> String { "0x\(String(value, radix: 16))" }

  // MARK: The file

  private static func headings(_ cpus: [Int], _ name: String) -> [String] {
    [#"{"ph":"M","pid":1,"name":"process_name","args":{"name":\#(JSONText.quoted(name))}}"#]
      + cpus.flatMap { cpu in
        [
          #"{"ph":"M","pid":1,"tid":\#(cpu),"name":"thread_name","args":{"name":"CPU \#(cpu)"}}"#,
          #"{"ph":"M","pid":1,"tid":\#(cpu),"name":"thread_sort_index","args":{"sort_index":\#(cpu)}}"#,
        ]
      }
  }

  private static func line(_ event: Event) -> String {
    let (phase, rest) =
      switch event.phase {
      case .span: ("X", #","dur":\#(JSONText.microseconds(event.end - event.time))"#)
      case .moment: ("i", #","s":"t""#)
      case .arrowStart(let number): ("s", #","id":\#(number)"#)
      case .arrowEnd(let number): ("f", #","bp":"e","id":\#(number)"#)
      }
    let arguments =
      event.arguments.isEmpty ? "" : #","args":\#(JSONText.object(event.arguments))"#
    return
      #"{"ph":"\#(phase)","pid":1,"tid":\#(event.cpu),"ts":\#(JSONText.microseconds(event.time)),"name":\#(JSONText.quoted(event.name)),"cat":"\#(event.category)"\#(rest)\#(arguments)}"#
  }
}

/// What threads are called: by their names, with the number where several have the same one.
private struct ThreadNames {
  private var names: [Int: String]
  private var counts: [String: Int] = [:]

  init(_ trace: RecordedTrace) {
    names = trace.threadNames
    var last: [Int: Int] = [:]
    for record in trace.records {
      if record.kind == .spawn {
        last[record.cpu] = Int(truncatingIfNeeded: record.first)
      } else if record.kind == .name, let number = last[record.cpu] {
        names[number] = record.name
      }
    }
    for name in names.values { counts[name, default: 0] += 1 }
  }

  subscript(number: Int) -> String {
    guard let name = names[number], !name.isEmpty else { return "thread \(number)" }
    return counts[name] == 1 ? name : "\(name) (\(number))"
  }
}

/// CPUs as a list of numbers.
private struct CPUList: CustomStringConvertible {
  var bits: UInt64

  var description: String {
    (0..<64).filter { bits >> UInt64($0) & 1 != 0 }.map(String.init).joined(separator: ", ")
  }
}
