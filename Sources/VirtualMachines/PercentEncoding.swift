/// The encoding of a value that may hold any bytes into a word without blanks: a byte that is
/// not unreserved becomes `%` and two upper-case hexadecimal digits (as in RFC 3986, 2.1, with
/// another set of unreserved bytes).
public enum PercentEncoding {
  /// Whether a byte stands for itself: `A-Z a-z 0-9` and `_.,:/@+=-`.
  public static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "_.,:/@+=-".utf8.contains(byte)
    }
  }

  /// The word that stands for `text`; an empty text becomes the single character `%`.
  public static func encode(_ text: String) -> String {
    guard !text.isEmpty else { return "%" }
    var word = ""
    for byte in text.utf8 {
      if isUnreserved(byte) {
        word.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        word += byte < 16 ? "%0\(digits)" : "%\(digits)"
      }
    }
    return word
  }

  /// The text that a word stands for. A `%` without two hexadecimal digits stands for itself,
  /// and bytes that are no UTF-8 become U+FFFD: a record comes from a guest that may be broken.
  public static func decode(_ word: some StringProtocol) -> String {
    let bytes = Array(word.utf8)
    guard bytes != [UInt8(ascii: "%")] else { return "" }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let high = hexadecimalDigit(bytes[index + 1]), let low = hexadecimalDigit(bytes[index + 2])
      {
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }
}

/// The value of a hexadecimal digit in either case.
func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
