import Foundation

/// Recorded events as a file in the trace event format of Chrome, which Perfetto opens: a row for each CPU
/// with the threads that ran there, and in them what interrupted them.
///
/// A thread is known by its address, which the next one may have again, so threads are numbered in the order
/// in which they were made.
public struct ChromeTrace {
  private var lines: [String] = []
  private var numbers: [UInt64: Int] = [:]
  private var threadCount = 0
  /// What runs on each CPU: its name and since when, `nil` for the idle loop.
  private var running: [Int: (name: String?, since: UInt64)] = [:]
  /// The wake-ups that no switch has followed yet, by thread, as numbers of arrows.
  private var arrows: [UInt64: Int] = [:]
  private var arrowCount = 0

  /// The JSON text of `records`, those of each CPU in their order, from an image called `name`.
  public static func json(_ records: [TraceRecord], name: String) -> String {
    var trace = ChromeTrace()
    trace.addHeadings(records, name)
    // A span was recorded at its end, and begins in between others.
    for record in records.sorted(by: { $0.time < $1.time }) { trace.add(record) }
    let end = records.map { $0.time + $0.duration }.max() ?? 0
    for cpu in trace.running.keys.sorted() { trace.close(cpu, at: end) }
    return
      "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n\(trace.lines.joined(separator: ",\n"))\n]}\n"
  }

  private mutating func addHeadings(_ records: [TraceRecord], _ name: String) {
    lines.append(
      #"{"ph":"M","pid":1,"name":"process_name","args":{"name":\#(Self.quoted(name))}}"#)
    for cpu in Set(records.map(\.cpu)).sorted() {
      lines.append(
        #"{"ph":"M","pid":1,"tid":\#(cpu),"name":"thread_name","args":{"name":"CPU \#(cpu)"}}"#)
      lines.append(
        #"{"ph":"M","pid":1,"tid":\#(cpu),"name":"thread_sort_index","args":{"sort_index":\#(cpu)}}"#
      )
    }
  }

  private mutating func add(_ record: TraceRecord) {
    switch record.kind {
    case .spawn:
      numbers[record.first] = threadCount
      threadCount += 1
      addMoment(record, "start of \(thread(record.first))", ["priority": "\(record.second)"])
    case .switch:
      close(record.cpu, at: record.time)
      let isIdle = record.second == 1
      running[record.cpu] = (isIdle ? nil : thread(record.first), record.time)
      if !isIdle, let arrow = arrows.removeValue(forKey: record.first) {
        add("f", "wake-up", record.cpu, record.time, #""bp":"e","cat":"wake-up","id":\#(arrow)"#)
      }
    case .wake:
      addMoment(record, "wake \(thread(record.first))", ["for CPU": "\(record.second)"])
      arrowCount += 1
      arrows[record.first] = arrowCount
      add("s", "wake-up", record.cpu, record.time, #""cat":"wake-up","id":\#(arrowCount)"#)
    case .pull:
      addMoment(record, "pull \(thread(record.first))", ["from CPU": "\(record.second)"])
    case .interrupt:
      addSpan(record, "interrupt \(record.first)", [:])
    case .fault:
      addSpan(record, "page fault", ["address": Self.hex(record.first)])
    case .shootdown:
      addSpan(
        record, "shootdown",
        ["address": Self.hex(record.first), "CPUs": Self.hex(record.second)])
    case .lockWait:
      addSpan(record, "wait for a spin lock", ["lock": Self.hex(record.first)])
    }
  }

  /// Ends what runs on a CPU.
  private mutating func close(_ cpu: Int, at time: UInt64) {
    guard let (name, since) = running.removeValue(forKey: cpu), let name else { return }
    add("X", name, cpu, since, #""cat":"thread","dur":\#(Self.microseconds(time - since))"#)
  }

  private mutating func addSpan(
    _ record: TraceRecord, _ name: String, _ arguments: [String: String]
  ) {
    add(
      "X", name, record.cpu, record.time,
      #""cat":"kernel","dur":\#(Self.microseconds(record.duration)),"args":\#(Self.object(arguments))"#
    )
  }

  private mutating func addMoment(
    _ record: TraceRecord, _ name: String, _ arguments: [String: String]
  ) {
    add(
      "i", name, record.cpu, record.time,
      #""s":"t","cat":"scheduler","args":\#(Self.object(arguments))"#)
  }

  private mutating func add(
    _ phase: String, _ name: String, _ cpu: Int, _ time: UInt64, _ rest: String
  ) {
    lines.append(
      #"{"ph":"\#(phase)","pid":1,"tid":\#(cpu),"ts":\#(Self.microseconds(time)),"name":\#(Self.quoted(name)),\#(rest)}"#
    )
  }

  /// The name of the thread that has the address now.
  private mutating func thread(_ address: UInt64) -> String {
    if let number = numbers[address] { return "thread \(number)" }
    // One whose start has given way to later events.
    numbers[address] = threadCount
    threadCount += 1
    return "thread \(threadCount - 1)"
  }

  private static func microseconds(_ nanoseconds: UInt64) -> String {
    let rest = String(nanoseconds % 1000)
    return "\(nanoseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
  }

  private static func hex(_ value: UInt64) -> String { "0x\(String(value, radix: 16))" }

  private static func object(_ values: [String: String]) -> String {
    let members = values.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
    return "{\(members.joined(separator: ","))}"
  }

  /// A string of JSON. RFC 8259, section 7.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
