import ELF
import TestSupport
import Testing

/// Breaks a file at random, and reads what is still accepted.
struct Fuzzer {
  let original: [UInt8]
  private var generator: SplitMix64
  private(set) var accepted = 0
  private(set) var refused = 0
  /// Files of which everything could be read.
  private(set) var complete = 0

  init(original: [UInt8], seed: UInt64) {
    self.original = original
    generator = SplitMix64(seed: seed)
  }

  /// Any error is of the right type, since all throws are typed; what is left is to crash.
  mutating func run(count: Int) {
    for _ in 0..<count {
      do throws(ELFFile.ReadingError) {
        let file = try ELFFile(bytes: mutation(), path: "p")
        accepted += 1
        if Self.read(file) { complete += 1 }
      } catch {
        refused += 1
      }
    }
  }

  /// Reads all that a file has, and tells whether it was right.
  private static func read(_ file: ELFFile) -> Bool {
    _ = file.buildID
    _ = file.note(18, of: "Xen", segmentsOnly: true)
    for section in file.sections {
      file.withBytes(of: section) { bytes in
        if let first = bytes.first, let last = bytes.last { _ = first &+ last }
      }
    }
    for segment in file.segments {
      _ = file.offset(ofAddress: segment.virtualAddress, size: segment.fileSize)
    }
    let symbols = try? file.symbols()
    for symbol in symbols ?? [] { _ = file.sections[Int(symbol.sectionIndex)] }
    let table = SymbolTable(symbols ?? [])
    for address in [0, file.entry, UInt64.max] {
      _ = table.function(at: address, isReturnAddress: true)
    }
    let relocations = try? file.relocations()
    for case let target? in (relocations ?? []).lazy.map(\.targetSection) {
      _ = file.sections[target]
    }
    return symbols != nil && relocations != nil
  }

  /// A copy with one to four changes: of a byte, of a number, of a part that is copied to another
  /// place, or of the length.
  private mutating func mutation() -> [UInt8] {
    var bytes = original
    for _ in 0...Int.random(in: 0..<4, using: &generator) where bytes.count > 80 {
      // Half of the changes go to the file's header and to what surely is one.
      let place =
        Bool.random(using: &generator)
        ? Int.random(in: 16..<bytes.count, using: &generator)
        : header(of: bytes)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0, 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 2: put(number(UInt64.self), at: place & ~7, in: &bytes)
      case 3: put(number(UInt32.self), at: place & ~3, in: &bytes)
      case 4: put(number(UInt16.self), at: place & ~1, in: &bytes)
      case 5:
        let from = Int.random(in: 0..<bytes.count, using: &generator) & ~7
        let size = min([8, 24, 64].randomElement(using: &generator) ?? 8, bytes.count - from)
        if place & ~7 + size <= bytes.count {
          bytes.replaceSubrange(place & ~7..<place & ~7 + size, with: bytes[from..<from + size])
        }
      case 6: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      default:
        if Int.random(in: 0..<4, using: &generator) == 0 {
          bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
        }
      }
    }
    return bytes
  }

  private mutating func header(of bytes: [UInt8]) -> Int {
    let sections = ELFBuilder.sectionHeader(0, of: original)
    return Bool.random(using: &generator)
      ? Int.random(in: 16..<64, using: &generator)
      : min(Int.random(in: sections..<original.count, using: &generator), bytes.count - 1)
  }

  /// A number of the kinds that break readers.
  private mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
    _ type: Value.Type
  ) -> Value {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: Value.max - Value.random(in: 0..<64, using: &generator)
    case 1: Value.random(in: 0..<128, using: &generator)
    case 2: Value(truncatingIfNeeded: original.count) &- Value.random(in: 0..<64, using: &generator)
    default: 1 << Value.random(in: 0..<Value(Value.bitWidth), using: &generator)
    }
  }

  private func put(_ value: some FixedWidthInteger, at place: Int, in bytes: inout [UInt8]) {
    if place + value.bitWidth / 8 <= bytes.count { bytes.put(value, at: place) }
  }
}

@Suite struct FuzzTests {
  @Test func mutationsNeverCrash() {
    var fuzzer = Fuzzer(original: SampleFile.bytes, seed: 7)
    fuzzer.run(count: 20_000)
    #expect(fuzzer.accepted > 2_000)
    #expect(fuzzer.refused > 2_000)
    #expect(fuzzer.complete > 1_000)
    #expect(fuzzer.complete < fuzzer.accepted)
  }

  @Test func everyTruncationIsRefused() {
    let bytes = SampleFile.bytes
    for count in 0..<bytes.count {
      #expect(throws: ELFFile.ReadingError.self) {
        try ELFFile(bytes: Array(bytes[..<count]), path: "p")
      }
    }
  }
}
