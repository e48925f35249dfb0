extension UInt64 {
  /// `0x1234`.
  var hexadecimal: String { "0x" + String(self, radix: 16) }
}

extension BinaryInteger {
  /// With commas between the thousands: `5,121`.
  var grouped: String {
    var digits = Array(String(self))
    let first = digits.first == "-" ? 1 : 0
    var index = digits.count - 3
    while index > first {
      digits.insert(",", at: index)
      index -= 3
    }
    return String(digits)
  }

  /// A number of things: `1 error`, `5,121 errors`.
  func counted(_ noun: String) -> String { "\(grouped) \(noun)\(self == 1 ? "" : "s")" }
}

extension String {
  /// The text on one line that no terminal takes for a command: names in an image may hold anything.
  var printable: String {
    guard unicodeScalars.contains(where: \.isUnprintable) else { return self }
    return unicodeScalars.map {
      $0.isUnprintable ? "\\u{\(String($0.value, radix: 16))}" : String($0)
    }.joined()
  }
}

extension Unicode.Scalar {
  /// Control characters, line ends, and those that change the direction of writing.
  fileprivate var isUnprintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
    default: false
    }
  }
}

extension Place {
  /// `function+0x12`, or the function alone at its start.
  var position: String {
    offset == 0 ? function : "\(function)+\(offset.hexadecimal)"
  }
}

extension SourceLine {
  /// `file:line:column`, which editors and terminals know.
  var position: String {
    "\(file):\(line)" + (column.map { ":\($0)" } ?? "")
  }
}

extension ResolutionStep {
  /// How a target is known, as the end of a sentence about the call; empty if it is plain.
  var explanation: String {
    switch self {
    case .direct: ""
    case .tail: " by a tail call"
    case .constant: " through an indirect call, target known: a constant"
    case .initialValue:
      " through an indirect call, target known by the initial value of a variable"
    case .registration: " through an indirect call, target known by registration"
    case .typeHash: " through an indirect call, target known by its type"
    case .declared: " through an indirect call, target declared"
    case .addressTaken: " through an indirect call, target assumed: its address is taken"
    case .unresolved: " through an indirect call, target not known"
    }
  }
}

extension Report.Root {
  /// The root with what is known of its entry: `root apus_trap (vector 14, level 1)`.
  var title: String {
    let details = [vector.map { "vector \($0)" }, "level \(level)"].compactMap { $0 }
    return "root \(name) (\(details.joined(separator: ", ")))"
  }
}

extension Finding {
  /// What is wrong and where, without an address: `tick: writes SSE, reached from root trap`.
  var sentence: String {
    "\(place.function): \(message)" + (root.map { ", reached from root \($0)" } ?? "")
  }
}
