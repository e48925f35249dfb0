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

  /// Writes the record; safe on every CPU.
  ///
  /// A message that does not fit is cut, and goes to the log in full.
  func send() {
    let head = head
    guard let message else { return Console.record("\(head)") }
    let room = Self.room(after: head)
    if !fits(message, in: room) { Console.error(message) }
    Console.record("\(head) \(encoded(message, atMost: room))")
  }

  /// Why `apus` could not make sense of the record, if so: it finds a test by its name and a panic
  /// by a text in the report, and neither may be cut.
  var flaw: String? {
    switch self {
    case .begin(let name) where !fits(name, in: Self.nameCapacity),
      .dies(let name, _) where !fits(name, in: Self.nameCapacity):
      "its name " + Self.excess(over: Self.nameCapacity)
    case .dies(_, let expected) where !fits(expected, in: Self.room(after: head)):
      "its expected text " + Self.excess(over: Self.room(after: head))
    default: nil
    }
  }

  /// The bytes of an encoded name; they leave a message almost half of the record.
  private static var nameCapacity: Int { 120 }

  /// The bytes for an encoded message after the head and a blank. A record is a line without the
  /// byte that marks it.
  private static func room(after head: String) -> Int {
    LogMessage.capacity - 1 - head.utf8.count - 1
  }

  private static func excess(over room: Int) -> String {
    "has more than \(room) bytes; a blank counts as 3"
  }

  private var head: String {
    switch self {
    case .begin(let name): "test begin \(encoded(name, atMost: Self.nameCapacity))"
    case .pass(let name): "test pass \(encoded(name, atMost: Self.nameCapacity))"
    case .skip(let name, _): "test skip \(encoded(name, atMost: Self.nameCapacity))"
    case .fail(let name, _): "test fail \(encoded(name, atMost: Self.nameCapacity))"
    case .dies(let name, _): "test dies \(encoded(name, atMost: Self.nameCapacity))"
    case .done: "tests done"
    }
  }

  private var message: String? {
    switch self {
    case .skip(_, let message), .fail(_, let message), .dies(_, let message): message
    case .begin, .pass, .done: nil
    }
  }

  private func fits(_ text: String, in room: Int) -> Bool {
    text.utf8.reduce(0) { $0 + (isUnreserved($1) ? 1 : 3) } <= room
  }

  /// The text as one word: every byte outside `A-Z a-z 0-9` and `_.,:/@+=-` becomes `%XX`, and
  /// nothing at all a single `%`.
  ///
  /// A word of more than `room` bytes, which must be 3 at least, is cut between two characters,
  /// and ends in `...`.
  private func encoded(_ text: String, atMost room: Int) -> String {
    if text.utf8.isEmpty { return "%" }
    var word: [UInt8] = []
    var cut = 0
    for byte in text.utf8 {
      // All bytes of a character but the first begin with the bits 10.
      if byte & 0xC0 != 0x80, word.count + 3 <= room { cut = word.count }
      if isUnreserved(byte) {
        word.append(byte)
      } else {
        word.append(UInt8(ascii: "%"))
        word.append(digit(byte >> 4))
        word.append(digit(byte & 15))
      }
    }
    if word.count <= room { return String(decoding: word, as: UTF8.self) }
    return String(decoding: word[..<cut], as: UTF8.self) + "..."
  }

  private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
      UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "@"),
      UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  private func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
  }
}
#endif
