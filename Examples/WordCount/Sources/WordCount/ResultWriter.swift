/// Writes lines `COUNT WORD` in blocks, so that a word of any length needs little memory.
struct ResultWriter: ~Copyable {
  private static let blockSize = 4096

  private var block: [UInt8] = []
  private let write: (UnsafeRawBufferPointer) -> Void

  /// Hands every block to `write`.
  init(_ write: @escaping (UnsafeRawBufferPointer) -> Void) {
    self.write = write
    block.reserveCapacity(Self.blockSize)
  }

  /// Writes the line of one word.
  mutating func append(_ entry: WordTable.Entry) {
    for byte in String(entry.count).utf8 { append(byte) }
    append(UInt8(ascii: " "))
    for letter in entry.word.letters { append(letter | 0x20) }
    append(UInt8(ascii: "\n"))
  }

  /// Writes what has not been written yet.
  mutating func flush() {
    block.withUnsafeBytes { write($0) }
    block.removeAll(keepingCapacity: true)
  }

  private mutating func append(_ byte: UInt8) {
    block.append(byte)
    if block.count == Self.blockSize { flush() }
  }
}
