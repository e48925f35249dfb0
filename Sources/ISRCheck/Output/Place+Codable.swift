/// Addresses are hexadecimal texts in JSON: many readers take numbers for floating-point ones and
/// lose the last digits of a kernel's addresses.
extension Place {
  private enum CodingKeys: String, CodingKey {
    case address, symbol, function, offset, source
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let text = try values.decode(String.self, forKey: .address)
    guard text.hasPrefix("0x"), let address = UInt64(text.dropFirst(2), radix: 16) else {
      throw DecodingError.dataCorruptedError(
        forKey: .address, in: values, debugDescription: "an address is written as 0x1234")
    }
    self.init(
      address: address,
      symbol: try values.decodeIfPresent(String.self, forKey: .symbol),
      function: try values.decode(String.self, forKey: .function),
      offset: try values.decode(UInt64.self, forKey: .offset),
      source: try values.decodeIfPresent(SourceLine.self, forKey: .source))
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(address.hexadecimal, forKey: .address)
    try values.encodeIfPresent(symbol, forKey: .symbol)
    try values.encode(function, forKey: .function)
    try values.encode(offset, forKey: .offset)
    try values.encodeIfPresent(source, forKey: .source)
  }
}
