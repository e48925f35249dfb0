import Machine
import PerCPU

/// What there is to say of a registered handler at a moment.
public struct InterruptInformation: Sendable {
  /// What it was called when it was registered.
  public let name: StaticString
  /// The line in the machine; `nil` for messages.
  public let line: InterruptLineNumber?
  /// The CPU on which the handler runs.
  public let cpu: CPU
  /// How often the handler was called on each CPU, by its index.
  public let counts: [UInt64]
  /// How often it said that its device wanted nothing.
  public let unhandledCount: UInt64

  /// All handlers that are registered, in no order. In threads. Allocates.
  public static var all: [InterruptInformation] {
    InterruptRegistry.prepare()
    // Nothing is allocated with interrupts off: room first, for some more than there are.
    var list: [InterruptInformation] = []
    var rows: [Row] = []
    while true {
      let count = InterruptRegistry.withState { $0.recordCount }
      rows = Array(repeating: Row(), count: count + 4)
      let taken = rows.withUnsafeMutableBufferPointer { rows in
        InterruptRegistry.withState { $0.copy(to: rows) }
      }
      guard let taken else { continue }
      for row in rows[..<taken] {
        list.append(
          InterruptInformation(
            name: row.name, line: row.line, cpu: row.cpu,
            counts: (0..<CPU.count).map { row.counts[$0] }, unhandledCount: row.unhandledCount))
      }
      return list
    }
  }

  /// The same without memory of its own.
  struct Row {
    var name: StaticString = ""
    var line: InterruptLineNumber?
    var cpu = CPU(index: 0)
    var counts = InlineArray<64, UInt64>(repeating: 0)
    var unhandledCount: UInt64 = 0
  }
}

extension InterruptRegistry.State {
  var recordCount: Int {
    var count = 0
    var record = first
    while let current = record {
      count += 1
      record = current.pointee.next
    }
    return count
  }

  /// Copies what there is to say; returns how many there are, or `nil` if there is too little room.
  func copy(to rows: UnsafeMutableBufferPointer<InterruptInformation.Row>) -> Int? {
    var count = 0
    var record = first
    while let current = record {
      if count == rows.count { return nil }
      rows[count].name = current.pointee.name
      rows[count].line = current.pointee.line?.number
      rows[count].cpu = CPU(index: current.pointee.home.load(ordering: .relaxed))
      rows[count].unhandledCount = current.pointee.unhandled.load(ordering: .relaxed)
      for index in 0..<CPU.count { rows[count].counts[index] = current.pointee.count(of: index) }
      count += 1
      record = current.pointee.next
    }
    return count
  }
}
