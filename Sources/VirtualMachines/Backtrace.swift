import ELF

/// Lines of a panic report that name places in the image's code.
enum Backtrace {
  /// The line with the name of the function appended, if it is one of a backtrace:
  /// `  #3 0x0000000000101234`, with any text after it.
  static func symbolise(_ line: String, _ symbols: SymbolTable) -> String {
    guard let (index, address) = frame(line),
      let (name, offset) = symbols.function(at: address, isReturnAddress: index > 0)
    else { return line }
    return "\(line) \(name) + 0x\(String(offset, radix: 16))"
  }

  /// The number and the address of a backtrace's line.
  static func frame(_ line: String) -> (index: Int, address: UInt64)? {
    let blanks = line.utf8.prefix { $0 == UInt8(ascii: " ") }.count
    let fields = line.split(separator: " ", maxSplits: 2)
    guard blanks >= 2, fields.count >= 2, fields[0].first == "#",
      let index = Int(fields[0].dropFirst()), index >= 0, fields[1].hasPrefix("0x"),
      fields[1].utf8.count == 18, let address = UInt64(fields[1].dropFirst(2), radix: 16)
    else { return nil }
    return (index, address)
  }
}
