/// What ran in an interrupt has to be a part of what was found by reading.
extension Examination {
  /// Reads a trace: a line for each instruction's address in hexadecimal; others begin with `#`.
  func tracedOutside(_ path: String) throws(CheckFailure) -> [Finding] {
    let lines = try TextFile.lines(of: path)
    let coverage = Coverage(Set(reaches.flatMap(\.nodes)).map { exploration.nodes[$0] }, image)
    var findings: [Finding] = []
    var reported: Set<String> = []
    var count = 0
    for (number, line) in lines.enumerated() where !line.hasPrefix("#") && !line.isEmpty {
      let digits = line.hasPrefix("0x") ? line.dropFirst(2) : line[...]
      guard let address = UInt64(digits, radix: 16) else {
        throw .notAnalysable("\(path):\(number + 1): \(line) is no address")
      }
      count += 1
      guard !coverage.contains(address), !isLeftOut(address) else { continue }
      let place = place(of: address, in: address)
      guard reported.insert(place.function).inserted else { continue }
      if let found = finding(
        .tracedOutside, "\(place.function) ran in an interrupt and was not found by reading",
        at: address)
      {
        findings.append(found)
      }
    }
    guard count > 0 else { throw .notAnalysable("\(path) is no trace: it has no addresses") }
    return findings
  }

  /// Whether an address belongs to a function that was declared as fatal, or by its frame alone: what it
  /// does is known, and was not read on purpose.
  private func isLeftOut(_ address: UInt64) -> Bool {
    guard let (_, start) = image.functions.name(at: address), let declared = annotations[start]
    else { return false }
    return declared.isFatal || declared.frame != nil
  }
}
