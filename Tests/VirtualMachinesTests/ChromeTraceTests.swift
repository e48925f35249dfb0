import Foundation
import TestSupport
import Testing

@testable import VirtualMachines

@Suite struct ChromeTraceTests {
  /// A thread is made on CPU 0, runs on CPU 1, is interrupted there, and ends; another one has no name.
  static let records = [
    TraceRecord(cpu: 0, .switch, time: 1_000, first: 1),
    TraceRecord(cpu: 0, .spawn, time: 2_000, first: 65, second: 3),
    // "worker", the lowest byte first.
    TraceRecord(cpu: 0, .name, time: 0x7265_6B72_6F77),
    TraceRecord(cpu: 0, .wake, time: 2_100, first: 65, second: 1),
    TraceRecord(cpu: 1, .switch, time: 3_000, first: 65),
    TraceRecord(cpu: 1, .lockWait, time: 3_200, duration: 50, first: 0xABC),
    TraceRecord(cpu: 1, .interrupt, time: 3_500, duration: 1_234, first: 0x42),
    TraceRecord(cpu: 1, .shootdown, time: 5_000, duration: 100, first: 0x1000, second: 0b1001),
    TraceRecord(cpu: 1, .switch, time: 6_000, first: 0),
    TraceRecord(cpu: 0, .spawn, time: 7_000, first: 129, second: 3),
    TraceRecord(cpu: 0, .pull, time: 8_000, first: 129, second: 2),
    TraceRecord(cpu: 0, .switch, time: 9_000, first: 129),
  ]

  private static func text(_ records: [TraceRecord], names: [Int: String] = [1: "main"]) -> String {
    ChromeTrace.json(RecordedTrace(records, threadNames: names), name: "x")
  }

  private static func events(
    _ records: [TraceRecord], names: [Int: String] = [1: "main"]
  ) throws -> [TraceFile.Event] {
    try TraceFile(text(records, names: names)).events
  }

  @Test func threadsAreSpansOfTheirCPU() throws {
    let spans = try Self.events(Self.records).filter { $0.cat == "thread" }
    let rows = spans.map { "\($0.name) on \($0.tid ?? -1): \($0.ts ?? 0) + \($0.dur ?? 0)" }
    #expect(
      rows == [
        "main on 0: 1.0 + 8.0", "worker on 1: 3.0 + 3.0", "thread 129 on 0: 9.0 + 0.0",
      ])
  }

  @Test func threadsOfOneNameHaveTheirNumbers() throws {
    let events = try Self.events(Self.records, names: [1: "worker"])
    let names = events.filter { $0.cat == "thread" }.map(\.name)
    #expect(names == ["worker (1)", "worker (65)", "thread 129"])
  }

  @Test func whatInterruptsIsASpan() throws {
    let events = try Self.events(Self.records)
    let interrupt = try #require(events.first { $0.name == "wake-up interrupt" })
    #expect(interrupt.tid == 1 && interrupt.ts == 3.5 && interrupt.dur == 1.234)
    let wait = try #require(events.first { $0.name == "wait for a spin lock" })
    #expect(wait.ts == 3.2 && wait.dur == 0.05)
    let shootdown = try #require(events.first { $0.name == "shootdown" })
    #expect(shootdown.args?["CPUs"] == "0, 3" && shootdown.args?["address"] == "0x1000")
  }

  @Test func aWakeUpPointsToTheSwitch() throws {
    let arrows = try Self.events(Self.records).filter { $0.ph == "s" || $0.ph == "f" }
    #expect(arrows.map(\.ph) == ["s", "f"] && arrows.map(\.tid) == [0, 1])
    #expect(arrows.first?.id == arrows.last?.id)
  }

  @Test func aFaultInWhichTheThreadWasPreemptedIsCutOff() throws {
    let events = try Self.events([
      TraceRecord(cpu: 0, .switch, time: 1_000, first: 1),
      TraceRecord(cpu: 0, .switch, time: 5_000, first: 65),
      TraceRecord(cpu: 0, .fault, time: 2_000, duration: 4_000, first: 0x5000),
    ])
    let fault = try #require(events.first { $0.name == "page fault" })
    #expect(fault.ts == 5 && fault.dur == 1)
    #expect(fault.args?["began earlier by µs"] == "3.000")
  }

  @Test func whatWasNotKeptIsSaid() throws {
    let text = ChromeTrace.json(
      RecordedTrace([TraceRecord(cpu: 3, .wake, time: 10, first: 1)], lost: [3: 77]), name: "x")
    #expect(text.contains(#""lost events":"77""#))
    let moment = try #require(
      try TraceFile(text).events.first { $0.name == "77 earlier events were not kept" })
    #expect(moment.tid == 3 && moment.ph == "i")
  }

  @Test func textIsQuoted() throws {
    let text = ChromeTrace.json(RecordedTrace(), name: "a\"\\\n\u{1}ä")
    let events = try TraceFile(text).events
    #expect(events.count == 1 && events.first?.name == "process_name")
    #expect(events.first?.args?["name"] == "a\"\\\n\u{1}ä")
  }

  @Test(arguments: 0..<50 as Range<UInt64>) func anyRecordsMakeAFileThatIsRight(seed: UInt64) throws
  {
    var random = SplitMix64(seed: seed)
    var records: [TraceRecord] = []
    for cpu in 0..<4 {
      var time: UInt64 = .random(in: 0..<1_000, using: &random)
      for _ in 0..<200 {
        time += .random(in: 0..<300, using: &random)
        let kind = try #require(TraceRecord.Kind(rawValue: .random(in: 1...9, using: &random)))
        // A span was recorded at its end, and began at any time before.
        let isSpan = [.interrupt, .fault, .shootdown, .lockWait].contains(kind)
        let duration: UInt64 = isSpan ? .random(in: 0...min(time, 2_000), using: &random) : 0
        records.append(
          TraceRecord(
            cpu: cpu, kind, time: time - duration, duration: duration,
            first: .random(in: 0..<8, using: &random), second: .random(in: 0..<8, using: &random)))
      }
    }
    let file = try TraceFile(Self.text(records))
    #expect(file.faults == [])
    #expect(file.events.count > 800 - 200)
  }

  @Test func aFileThatIsWrongIsFoundOut() throws {
    let row = #"{"ph":"M","pid":1,"tid":0,"name":"thread_name","args":{"name":"CPU 0"}}"#
    func faults(_ lines: String...) throws -> Int {
      try TraceFile("{\"traceEvents\":[\n\(([row] + lines).joined(separator: ",\n"))\n]}").faults
        .count
    }
    func span(_ time: Int, _ duration: Int) -> String {
      #"{"ph":"X","pid":1,"tid":0,"ts":\#(time),"dur":\#(duration),"name":"a","cat":"thread"}"#
    }
    #expect(try faults(span(1, 5), span(2, 4), span(6, 1)) == 0)
    #expect(try faults(span(1, 5), span(2, 5)) == 1)
    #expect(try faults(span(2, 1), span(1, 1)) == 1)
    #expect(
      try faults(#"{"ph":"X","pid":1,"tid":7,"ts":1,"dur":0,"name":"a","cat":"thread"}"#) == 1)
    #expect(
      try faults(#"{"ph":"f","bp":"e","id":1,"pid":1,"tid":0,"ts":1,"name":"a","cat":"c"}"#) == 1)
  }

  @Test func recordsOfTheKernel() {
    #expect(
      Record("trace 1 4 dac 4d2 42 0")
        == .trace(TraceRecord(cpu: 1, .interrupt, time: 3_500, duration: 1_234, first: 66)))
    #expect(Record("trace-lost 2 77") == .traceLost(cpu: 2, count: 77))
    #expect(Record("trace-thread 65 two words") == .traceThread(number: 65, name: "two words"))
    #expect(Record("trace-thread 66 ") == .traceThread(number: 66, name: ""))
    for wrong in ["trace 1 4 1 1 1", "trace 1 99 1 1 1 1", "trace g 4 1 1 1 1", "trace-lost 2"] {
      #expect(Record(wrong) == nil)
    }
  }
}
