import Machine
import Testing

@testable import Tracing

@Suite struct TraceTests {
  @Test func aRingKeepsTheLastEvents() {
    let memory = UnsafeMutablePointer<TraceEvent>.allocate(capacity: 4)
    defer { memory.deallocate() }
    let ring = TraceRing(memory, capacity: 4)
    for number in 0..<3 {
      ring.append(TraceEvent(.wake, time: UInt64(number), duration: 0, 7, 8))
    }
    var times: [UInt64] = []
    ring.visit { times.append($0.time) }
    #expect(times == [0, 1, 2] && ring.lostCount == 0)
    for number in 3..<10 {
      ring.append(TraceEvent(.fault, time: UInt64(number), duration: 5, 7, 8))
    }
    times = []
    ring.visit { times.append($0.time) }
    #expect(times == [6, 7, 8, 9] && ring.lostCount == 6)
  }

  @Test func anEventKeepsWhatItIsMadeOf() {
    let event = TraceEvent(.lockWait, time: .max, duration: 1 << 55, 3, .max)
    #expect(event.kindNumber == 7 && event.duration == 1 << 55 && event.time == .max)
    #expect(event.first == 3 && event.second == .max)
  }

  @Test func aNameIsInAllWordsOfItsEvent() {
    var bytes = InlineArray<31, UInt8>(repeating: 0)
    for index in 0..<31 { bytes[index] = UInt8(index + 1) }
    let event = TraceEvent(name: bytes)
    #expect(event.kindNumber == 9)
    #expect(event.time == 0x0807_0605_0403_0201 && event.first == 0x100F_0E0D_0C0B_0A09)
    #expect(event.second == 0x1817_1615_1413_1211 && event.duration == 0x1F_1E1D_1C1B_1A19)
  }

  @Test func nothingIsRecordedUnasked() {
    #expect(!Trace.isRecording && Trace.begin() == 0)
    Trace.record(.wake, 1)
    Trace.record(.fault, since: 0, 1)
  }
}
