import Foundation
import Testing

@testable import VirtualMachines

@Suite struct ChromeTraceTests {
  /// A thread is made on CPU 0, runs on CPU 1, is interrupted there, and ends; its address is used again.
  static let records = [
    TraceRecord(cpu: 0, .switch, time: 1_000, first: 0x40),
    TraceRecord(cpu: 0, .spawn, time: 2_000, first: 0x80, second: 3),
    TraceRecord(cpu: 0, .wake, time: 2_100, first: 0x80, second: 1),
    TraceRecord(cpu: 1, .switch, time: 3_000, first: 0x80),
    TraceRecord(cpu: 1, .lockWait, time: 3_200, duration: 50, first: 0xABC),
    TraceRecord(cpu: 1, .interrupt, time: 3_500, duration: 1_234, first: 66),
    TraceRecord(cpu: 1, .switch, time: 6_000, first: 0x90, second: 1),
    TraceRecord(cpu: 0, .spawn, time: 7_000, first: 0x80, second: 3),
    TraceRecord(cpu: 0, .pull, time: 8_000, first: 0x80, second: 2),
    TraceRecord(cpu: 0, .switch, time: 9_000, first: 0x80),
  ]

  private struct Event: Decodable {
    var ph: String
    var tid: Int?
    var ts: Double?
    var dur: Double?
    var name: String
    var id: Int?
  }

  private struct File: Decodable {
    var traceEvents: [Event]
  }

  private static func events(_ records: [TraceRecord], name: String = "x") throws -> [Event] {
    let text = ChromeTrace.json(records, name: name)
    return try JSONDecoder().decode(File.self, from: Data(text.utf8)).traceEvents
  }

  @Test func threadsAreSlicesOfTheirCPU() throws {
    let slices = try Self.events(Self.records).filter {
      $0.ph == "X" && $0.name.hasPrefix("thread")
    }
    let rows = slices.map { "\($0.name) on \($0.tid ?? -1): \($0.ts ?? 0) + \($0.dur ?? 0)" }
    #expect(
      rows == [
        "thread 1 on 1: 3.0 + 3.0", "thread 0 on 0: 1.0 + 8.0", "thread 2 on 0: 9.0 + 0.0",
      ])
  }

  @Test func whatInterruptsIsASlice() throws {
    let events = try Self.events(Self.records)
    let interrupt = try #require(events.first { $0.name == "interrupt 66" })
    #expect(interrupt.tid == 1 && interrupt.ts == 3.5 && interrupt.dur == 1.234)
    let wait = try #require(events.first { $0.name == "wait for a spin lock" })
    #expect(wait.ts == 3.2 && wait.dur == 0.05)
  }

  @Test func aWakeUpPointsToTheSwitch() throws {
    let arrows = try Self.events(Self.records).filter { $0.ph == "s" || $0.ph == "f" }
    #expect(arrows.map(\.ph) == ["s", "f"] && arrows.map(\.tid) == [0, 1])
    #expect(arrows.first?.id == arrows.last?.id)
  }

  @Test func namesAreQuoted() throws {
    let events = try Self.events([], name: "a\"\\\n\u{1}ä")
    #expect(events.count == 1 && events.first?.name == "process_name")
    #expect(ChromeTrace.json([], name: "a\"b").contains(#""a\"b""#))
  }

  @Test func recordsOfTheKernel() {
    #expect(
      Record("trace 1 4 dac 4d2 42 0")
        == .trace(TraceRecord(cpu: 1, .interrupt, time: 3_500, duration: 1_234, first: 66)))
    #expect(Record("trace-lost 2 77") == .traceLost(cpu: 2, count: 77))
    for wrong in ["trace 1 4 1 1 1", "trace 1 99 1 1 1 1", "trace g 4 1 1 1 1", "trace-lost 2"] {
      #expect(Record(wrong) == nil)
    }
  }
}
