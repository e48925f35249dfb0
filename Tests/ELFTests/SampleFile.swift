import ELF
import TestSupport

/// A file with something of everything, made for the tests.
enum SampleFile {
  static let text: UInt64 = 0x10_0000
  static let data: UInt64 = 0x10_1000
  static let code: [UInt8] =
    [0xe8, 0, 0, 0, 0, 0xf4, 0xeb, 0xfd] + Array(repeating: 0x90, count: 56)
  static let symbols: [ELFBuilder.Symbol] = [
    .init("", at: text, info: 3),
    .init("entry", at: text, size: 0x10),
    .init("$s4Main3fooyyF", at: text + 0x10, size: 0x20, info: 0x02),
    .init("again", at: text + 0x10, size: 0x20, info: 0x22),
    .init("assembly", at: text + 0x34),
    .init("table", at: data, size: 32, info: 0x11, section: 2),
    .init("missing", at: 0, info: 0x10, section: 0),
    .init("constant", at: 42, info: 0, section: 0xfff1),
    .init("resolver", at: text + 0x38, size: 8, info: 0x1a),
    .init("perThread", at: 8, size: 8, info: 0x16, section: 2),
    .init("file.c", at: 0, info: 4, section: 0xfff1),
  ]
  // The indices of the sections.
  static let textSection = 1
  static let dataSection = 2
  static let noteSection = 4
  static let symbolSection = 5
  static let stringSection = 6
  static let relocationSection = 7
  static let packedSection = 8

  static func note(_ owner: String, _ kind: UInt32, _ content: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(little: UInt32(owner.utf8.count + 1))
    bytes.append(little: UInt32(content.count))
    bytes.append(little: kind)
    bytes += Array(owner.utf8) + [0]
    bytes += [UInt8](repeating: 0, count: -bytes.count & 3)
    bytes += content
    return bytes + [UInt8](repeating: 0, count: -bytes.count & 3)
  }

  static func relocation(_ offset: UInt64, symbol: UInt64, type: UInt64, addend: Int64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(little: offset)
    bytes.append(little: symbol << 32 | type)
    bytes.append(little: addend)
    return bytes
  }

  static var builder: ELFBuilder {
    var builder = ELFBuilder()
    builder.entry = text
    builder.add(.init(".text", kind: 1, flags: 6, address: text, content: code))
    var words: [UInt8] = []
    for index in 0..<80 as Range<UInt64> { words.append(little: text + index) }
    builder.add(.init(".data", kind: 1, flags: 3, address: data, content: words))
    builder.add(.init(".bss", kind: 8, flags: 3, address: data + 640, size: 0x40))
    let notes =
      note("Other", 3, [9]) + note("GNU", 1, [1, 2, 3]) + note("GNU", 3, [0xab, 0xcd, 3])
    builder.add(.init(".note", kind: 7, content: notes, alignment: 4))
    builder.add(symbols: symbols)
    builder.add(
      .init(
        ".rela.text", kind: 4, flags: 0x40,
        content: relocation(text + 1, symbol: 7, type: 4, addend: -4)
          + relocation(text + 8, symbol: 0, type: 8, addend: 5),
        link: UInt32(symbolSection), info: UInt32(textSection), entrySize: 24))
    // The first word and the second, the 64th, and of the next 63 words the first.
    var packed: [UInt8] = []
    for word in [data, 1 << 63 | 1 << 1 | 1, 1 << 1 | 1] as [UInt64] { packed.append(little: word) }
    builder.add(.init(".relr.dyn", kind: 19, flags: 2, content: packed, entrySize: 8))
    builder.segments = [
      .init(kind: 1, flags: 5, section: textSection),
      .init(kind: 1, flags: 6, section: dataSection, zeroBytes: 0x40),
      .init(kind: 4, flags: 4, section: noteSection),
    ]
    return builder
  }

  static var bytes: [UInt8] { builder.bytes }
}
