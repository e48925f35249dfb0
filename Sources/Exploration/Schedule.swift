/// How one run of a scenario differs from the one in which each CPU runs until it cannot go on.
///
/// As text: `12>1` is a switch to CPU 1 at decision 12, `30!1` an interrupt on CPU 1 at decision 30,
/// `p17` a CPU that spins on at the 17th pause, with commas between them; `-` is none of these.
public struct Schedule: Equatable, Sendable {
  enum Deviation: Equatable, Sendable {
    case run(cpu: UInt8, decision: Int)
    case interrupt(cpu: UInt8, decision: Int)
    case insist(pause: Int)
  }

  var deviations: [Deviation] = []

  init() {}

  /// From its text; `nil` if it is not one.
  public init?(_ text: String) {
    if text == "-" { return }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      if part.hasPrefix("p"), let pause = Int(part.dropFirst()) {
        deviations.append(.insist(pause: pause))
        continue
      }
      guard let mark = part.firstIndex(where: { $0 == ">" || $0 == "!" }),
        let decision = Int(part[..<mark]), let cpu = UInt8(part[part.index(after: mark)...])
      else { return nil }
      deviations.append(
        part[mark] == ">"
          ? .run(cpu: cpu, decision: decision) : .interrupt(cpu: cpu, decision: decision))
    }
  }
}

extension Schedule: CustomStringConvertible {
  public var description: String {
    if deviations.isEmpty { return "-" }
    return deviations.map {
      switch $0 {
      case .run(let cpu, let decision): "\(decision)>\(cpu)"
      case .interrupt(let cpu, let decision): "\(decision)!\(cpu)"
      case .insist(let pause): "p\(pause)"
      }
    }.joined(separator: ",")
  }
}
