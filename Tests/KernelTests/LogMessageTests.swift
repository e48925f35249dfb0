import Testing

@testable import Console

extension LogMessage {
  fileprivate var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }
}

/// Something that writes itself, as errors do.
private struct Celsius: TextOutputStreamable {
  let degrees: Int
  func write(to target: inout some TextOutputStream) { target.write("\(degrees) °C") }
}

@Suite struct LogMessageTests {
  @Test func interpolationGivesTheExactText() {
    let name: StaticString = "static"
    let string = "dyn" + "amic"
    let inner: LogMessage = "[\(1)]"
    let message: LogMessage = "a \(name) \(string) \(inner) \(Celsius(degrees: -3)) z"
    #expect(message.text == "a static dynamic [1] -3 °C z")
    #expect(("" as LogMessage).text == "")
  }

  @Test func numbersInDecimal() {
    for value in [0, 1, 9, 10, 99, 100, 1_000_000, -1, -10, .max, .min] as [Int] {
      #expect(("\(value)" as LogMessage).text == String(value))
    }
    for value in [0, 10, .max, .max - 1, 10_000_000_000_000_000_000] as [UInt64] {
      #expect(("\(value)" as LogMessage).text == String(value))
    }
    #expect(("\(Int8.min) \(UInt8.max)" as LogMessage).text == "-128 255")
  }

  @Test func numbersOfAWidth() {
    var message = LogMessage()
    message.append(decimal: 42, width: 5)
    message.append(decimal: 42, width: 5, padding: 0x20)
    message.append(decimal: 123456, width: 3)
    #expect(message.text == "00042   42123456")
  }

  @Test func numbersInHexadecimal() {
    #expect(("\(hex: 0x1234_ABCD)" as LogMessage).text == "0x000000001234abcd")
    #expect(("\(hex: UInt64.max)" as LogMessage).text == "0xffffffffffffffff")
    #expect(("\(hex: -1)" as LogMessage).text == "0xffffffffffffffff")
    #expect(("\(hex: UInt8(9))" as LogMessage).text == "0x0000000000000009")
  }

  @Test func whatDoesNotFitIsCutOff() {
    let long = String(repeating: "0123456789", count: 30)
    var message: LogMessage = "\(long)"
    #expect(message.text == String(long.prefix(LogMessage.capacity)))
    message.append(byte: 0x58)
    message.append(line: message)
    message.append(hex: 1)
    #expect(message.text == String(long.prefix(LogMessage.capacity)))
  }

  /// Whoever reads the log takes it line by line, records too: the end of the line is never cut off.
  @Test(arguments: [0, 1, LogMessage.capacity - 1, LogMessage.capacity, LogMessage.capacity + 1])
  func everyLineEnds(count: Int) {
    var line: LogMessage = "\(String(repeating: "x", count: count))"
    line.endLine()
    let kept = min(count, LogMessage.capacity)
    #expect(line.text == String(repeating: "x", count: kept) + "\n")
  }
}
