import Machine
import PerCPU
import TestSupport
import Testing

@testable import Scheduler

/// `WaitingThreads`, against arrays by priority.
@Suite struct WaitingThreadsTests {
  private typealias Record = UnsafeMutablePointer<ThreadRecord>

  private static func makeRecords(_ priorities: [Int]) -> [Record] {
    priorities.map { priority in
      let record = Record.allocate(capacity: 1)
      record.initialize(
        to: ThreadRecord(priority: priority, affinity: 1, cpu: 0, memory: nil, body: nil))
      return record
    }
  }

  private static func free(_ records: [Record]) {
    for record in records {
      record.deinitialize(count: 1)
      record.deallocate()
    }
  }

  private static func order(_ waiting: borrowing WaitingThreads) -> [Record] {
    var order: [Record] = []
    waiting.visit { record in
      order.append(record)
      return true
    }
    return order
  }

  @Test func theMostUrgentGoFirstAndEqualsInTurn() {
    let records = Self.makeRecords([3, 0, 7, 3, 0])
    var waiting = WaitingThreads()
    for record in records { waiting.append(record) }
    #expect(Self.order(waiting) == [2, 0, 3, 1, 4].map { records[$0] })
    let taken = (0..<5).map { _ in waiting.takeFirst() }
    #expect(taken == [2, 0, 3, 1, 4].map { records[$0] })
    #expect(waiting.takeFirst() == nil)
    Self.free(records)
  }

  @Test func oneIsExchangedOnlyForOneAsUrgent() {
    let records = Self.makeRecords([3, 3, 0, 7])
    var waiting = WaitingThreads()
    #expect(waiting.exchangeFirst(for: records[0]) == nil)
    waiting.append(records[2])
    #expect(waiting.exchangeFirst(for: records[0]) == nil)
    waiting.append(records[1])
    #expect(waiting.exchangeFirst(for: records[0]) == records[1])
    waiting.append(records[3])
    #expect(waiting.exchangeFirst(for: records[1]) == records[3])
    #expect(Self.order(waiting) == [0, 1, 2].map { records[$0] })
    Self.free(records)
  }

  @Test func lessUrgentOnesHaveTheirTurns() {
    let records = Self.makeRecords([6, 3, 0, 0, 3])
    var waiting = WaitingThreads()
    var running = records[0]
    #expect(waiting.exchangeLessUrgent(for: running, after: 0) == nil)
    for record in records.dropFirst() { waiting.append(record) }
    var last = 0
    let turns = (0..<6).map { _ -> Int in
      guard let next = waiting.exchangeLessUrgent(for: running, after: last) else { return -1 }
      last = next.pointee.priority
      // Its slice is over: the urgent one takes the CPU back.
      #expect(waiting.exchangeFirst(for: next) == running)
      running = records[0]
      return records.firstIndex(of: next) ?? -1
    }
    #expect(turns == [1, 2, 4, 3, 1, 2])
    Self.free(records)
  }

  @Test func oneIsPreemptedOnlyByWhatIsAboveTheLimit() {
    let records = Self.makeRecords([0, 3, 3, 6, 0])
    var waiting = WaitingThreads()
    waiting.append(records[1])
    waiting.append(records[4])
    #expect(waiting.exchangeMoreUrgent(for: records[0], above: 3) == nil)
    waiting.append(records[3])
    #expect(waiting.exchangeMoreUrgent(for: records[0], above: 3) == records[3])
    // It stays the first of its priority.
    #expect(Self.order(waiting) == [1, 0, 4].map { records[$0] })
    Self.free(records)
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func itBehavesLikeArrays(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let records = Self.makeRecords((0..<24).map { _ in Int(random.next() % 8) })
    var outside = records
    var model: [[Record]] = Array(repeating: [], count: WaitingThreads.priorityCount)
    var waiting = WaitingThreads()
    func modelFirst() -> Record? {
      guard let row = model.lastIndex(where: { !$0.isEmpty }) else { return nil }
      return model[row].removeFirst()
    }
    for _ in 0..<2_000 {
      let chosen = outside.isEmpty ? nil : outside[Int(random.next() % UInt64(outside.count))]
      switch random.next() % 4 {
      case 0:
        guard let chosen else { continue }
        outside.removeAll { $0 == chosen }
        model[chosen.pointee.priority].append(chosen)
        waiting.append(chosen)
      case 1:
        let taken = waiting.takeFirst()
        #expect(taken == modelFirst())
        if let taken { outside.append(taken) }
      case 2:
        guard let chosen else { continue }
        let urgent = model.lastIndex { !$0.isEmpty } ?? -1
        let taken = waiting.exchangeFirst(for: chosen)
        #expect((taken != nil) == (urgent >= chosen.pointee.priority))
        guard let taken else { continue }
        #expect(taken == modelFirst())
        model[chosen.pointee.priority].append(chosen)
        outside.removeAll { $0 == chosen }
        outside.append(taken)
      default:
        guard let inside = model.joined().randomElement(using: &random) else { continue }
        model[inside.pointee.priority].removeAll { $0 == inside }
        waiting.remove(inside)
        outside.append(inside)
      }
      #expect(Self.order(waiting) == Array(model.reversed().joined()))
    }
    Self.free(records)
  }
}
