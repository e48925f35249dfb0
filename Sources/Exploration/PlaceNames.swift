/// Names for addresses: those that a scenario gave, else a number in the order of appearance, which
/// unlike the address is the same in each run.
struct PlaceNames {
  let labels: [(range: Range<UInt>, name: String)]
  private var numbers: [UInt64: Int] = [:]

  init(labels: [(range: Range<UInt>, name: String)]) { self.labels = labels }

  /// The name of a place in memory.
  mutating func name(of address: UInt64) -> String {
    if let name = labelled(address) { return name }
    if let number = numbers[address] { return "@\(number)" }
    numbers[address] = numbers.count + 1
    return "@\(numbers.count)"
  }

  /// A value: a small number, or the name of what it points to.
  mutating func value(_ value: UInt64) -> String {
    if value < 65536 { return "\(value)" }
    if value > UInt64(Int64.max) - 4096 {
      let negative = Int64(bitPattern: value)
      if negative < 0 && negative > -4096 { return "\(negative)" }
    }
    return labelled(value) ?? hexadecimal(value)
  }

  private func labelled(_ address: UInt64) -> String? {
    let address = UInt(address)
    guard let label = labels.first(where: { $0.range.contains(address) }) else { return nil }
    let offset = address - label.range.lowerBound
    return offset == 0 ? label.name : "\(label.name)+\(offset)"
  }
}
