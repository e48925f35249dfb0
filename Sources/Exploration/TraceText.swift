import Machine

/// A recorded run as text, a line for each step: number, CPU, operation, place, values, function.
struct TraceText {
  let text: String

  init(_ trace: [TraceEntry], labels: [(range: Range<UInt>, name: String)]) {
    var places = PlaceNames(labels: labels)
    var names = CodeNames()
    // Where CPUs wait for each other, only the first of their turns matter; and of a run without end
    // the beginning and the last operations.
    var shown: [(number: Int, entry: TraceEntry)] = []
    var quiet = 0
    for (number, entry) in trace.enumerated() {
      quiet = entry.changesSomething ? 0 : quiet + 1
      if quiet <= Self.longestQuiet { shown.append((number, entry)) }
    }
    if shown.count > 2 * Self.longestPart {
      shown.removeSubrange(Self.longestPart..<shown.count - Self.longestPart)
    }
    var lines: [String] = []
    var next = 0
    for (number, entry) in shown {
      if number > next { lines.append("  ... \(number - next) steps") }
      lines.append(Self.line(number, entry, &places, &names))
      next = number + 1
    }
    if next < trace.count { lines.append("  ... \(trace.count - next) steps that change nothing") }
    text = lines.joined(separator: "\n")
  }

  private static let longestPart = 250
  private static let longestQuiet = 16

  private static func line(
    _ number: Int, _ entry: TraceEntry, _ places: inout PlaceNames, _ names: inout CodeNames
  ) -> String {
    var line = "  \(padded(String(number), -4))  cpu\(entry.cpu) "
    // Each CPU has a column of its own, handlers stand further in.
    line += String(repeating: " ", count: entry.cpu * 3 + entry.depth * 2)
    switch entry.event {
    case .interrupt(let vector):
      line += "interrupt \(InterruptVector(rawValue: vector).map { "\($0)" } ?? "\(vector)")"
    case .endOfInterrupt: line += "end of the interrupt"
    case .end: line += "is through"
    case .operation(let operation, let address, let size):
      line += describe(operation, address, size, entry, &places)
      if let place = names.name(of: entry.callers) { line = padded(line, 64) + " " + place }
    }
    return line
  }

  private static func describe(
    _ operation: SimulatedOperation, _ address: UInt64, _ size: UInt8, _ entry: TraceEntry,
    _ places: inout PlaceNames
  ) -> String {
    switch operation {
    case .sendInterrupt: return "\(operation) to cpu\(address)"
    case .read, .write, .forgetTranslation: return "\(operation) \(hexadecimal(address))"
    default: break
    }
    guard size > 0 else { return "\(operation)" }
    let place = places.name(of: address)
    let before = places.value(entry.before)
    guard let after = entry.after else { return "\(operation) \(place): \(before)" }
    if operation == .compareExchange && after == entry.before {
      return "\(operation) \(place): \(before), not exchanged"
    }
    return "\(operation) \(place): \(before) -> \(places.value(after))"
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    let padding = String(repeating: " ", count: max(abs(width) - text.count, 0))
    return width < 0 ? padding + text : text + padding
  }
}

extension TraceEntry {
  /// Whether the step is more than looking.
  var changesSomething: Bool {
    switch event {
    case .operation(let operation, _, _):
      switch operation {
      case .load, .pause, .fence, .walk, .read, .disableInterrupts, .enableInterrupts: false
      default: after.map { $0 != before } ?? true
      }
    default: true
    }
  }
}
