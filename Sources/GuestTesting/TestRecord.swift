#if hasFeature(Embedded)
import Apus

/// What the command `apus test` is told, as lines of words on the log channel.
enum TestRecord {
  case begin(String)
  case pass(String)
  case skip(String, String)
  case fail(String, String)
  case dies(String, String)
  case done

  /// Writes the record; safe on every CPU. What a record cannot hold goes to the log.
  func send() {
    let text = text
    if text.utf8.count > LogMessage.capacity, case .fail(_, let message) = self {
      Console.error("\(message)\n")
    }
    Console.record("\(text)")
  }

  private var text: String {
    switch self {
    case .begin(let name): "test begin \(encoded(name))"
    case .pass(let name): "test pass \(encoded(name))"
    case .skip(let name, let reason): "test skip \(encoded(name)) \(encoded(reason))"
    case .fail(let name, let message): "test fail \(encoded(name)) \(encoded(message))"
    case .dies(let name, let expected): "test dies \(encoded(name)) \(encoded(expected))"
    case .done: "tests done"
    }
  }

  /// The text as one word: every byte outside `A-Z a-z 0-9` and `_.,:/@+=-` becomes `%XX`, and
  /// nothing at all a single `%`.
  private func encoded(_ text: String) -> String {
    if text.utf8.isEmpty { return "%" }
    var word: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "@"),
        UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "-"):
        word.append(byte)
      default:
        word.append(UInt8(ascii: "%"))
        word.append(digit(byte >> 4))
        word.append(digit(byte & 15))
      }
    }
    return String(decoding: word, as: UTF8.self)
  }

  private func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
  }
}
#endif
