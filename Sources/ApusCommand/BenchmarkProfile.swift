import ISRCheck
import VirtualMachines

/// Where the instructions of a benchmark's operation are, by lines of the source.
struct BenchmarkProfile {
  /// What one line of the source costs.
  struct Row: Equatable {
    /// The file and the line, or `?`.
    var place: String
    /// The function of the image, into which others may have been inlined.
    var function: String
    /// Instructions for each operation.
    var instructions: Double
  }

  /// The dearest first.
  let rows: [Row]

  /// Takes a profile apart.
  ///
  /// - Parameters:
  ///   - lines: the lines of those addresses that have one.
  ///   - function: the name of the function at an address, if there is one.
  init(
    _ profile: InstructionProfile, lines: [UInt64: SourceLine], function: (UInt64) -> String?
  ) {
    var sums: [[String]: UInt64] = [:]
    for (address, count) in profile.counts {
      let place = lines[address].map { "\($0.file):\($0.line)" } ?? "?"
      sums[[place, function(address) ?? "?"], default: 0] += count
    }
    rows = sums.map { key, count in
      Row(
        place: key[0], function: key[1],
        instructions: Double(count) / Double(profile.operations))
    }.sorted { left, right in
      if left.instructions != right.instructions { return left.instructions > right.instructions }
      return (left.place, left.function) < (right.place, right.function)
    }
  }

  /// The rows of at least a hundredth of an instruction, under a heading with the sum.
  func text(name: String) -> String {
    let shown = rows.filter { $0.instructions >= 0.01 }
    let sum = Self.text(rows.reduce(0) { $0 + $1.instructions })
    let width = max(sum.count, shown.map { Self.text($0.instructions).count }.max() ?? 0)
    let places = shown.map(\.place.count).max() ?? 0
    var text = "\(name): \(sum) instructions with those of the loop\n"
    for row in shown {
      let value = Self.text(row.instructions)
      text += "  \(String(repeating: " ", count: width - value.count))\(value)  \(row.place)"
      text += String(repeating: " ", count: places - row.place.count) + "  \(row.function)\n"
    }
    return text
  }

  private static func text(_ value: Double) -> String {
    BenchmarkReport.text((value * 100).rounded() / 100)
  }
}
