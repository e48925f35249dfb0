import Foundation

/// What `llvm-objdump -d` prints of an object file.
struct Disassembly {
  struct Line {
    var address: UInt64
    var bytes: [UInt8]
    var mnemonic: String
    /// Without comments and the names of symbols.
    var operands: String

    /// The address that the operands end with.
    var target: UInt64? {
      guard let last = operands.split(whereSeparator: { ", ".contains($0) }).last,
        last.hasPrefix("0x")
      else { return nil }
      return UInt64(last.dropFirst(2), radix: 16)
    }

    var description: String {
      "\(String(address, radix: 16)): \(mnemonic) \(operands)"
    }
  }

  var lines: [Line] = []

  init(of file: String, arguments: [String] = [], in directory: URL) throws {
    let output = try Toolchain.run("llvm-objdump", ["-d"] + arguments + [file], in: directory)
    var prefix: (address: UInt64, bytes: [UInt8])?
    for line in output.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 2, let colon = fields[0].firstIndex(of: ":"),
        let address = UInt64(fields[0][..<colon].trimmingPrefix(while: \.isWhitespace), radix: 16)
      else { continue }
      // Prefixes stand before the mnemonic as if they were one.
      let words = fields.dropFirst().drop { $0.isEmpty || Self.prefixes.contains($0) }
      let mnemonic = words.first.map(String.init) ?? String(fields[1])
      let operands = words.dropFirst().first.map(Self.withoutComments) ?? ""
      let bytes = Self.bytes(fields[0][fields[0].index(after: colon)...])
      // Some prefixes have a line of their own.
      if operands.isEmpty && Self.prefixes.contains(mnemonic[...]) {
        prefix = (prefix?.address ?? address, (prefix?.bytes ?? []) + bytes)
        continue
      }
      self.lines.append(
        Line(
          address: prefix?.address ?? address, bytes: (prefix?.bytes ?? []) + bytes,
          mnemonic: mnemonic, operands: operands))
      prefix = nil
    }
  }

  static let prefixes: Set<Substring> = [
    "lock", "rep", "repne", "data16", "notrack", "bnd", "cs", "ds", "es", "fs", "gs", "ss", "rex64",
    "rex", "rex.W", "addr32", "xacquire", "xrelease",
  ]

  /// Operands up to the name of a symbol or a comment.
  private static func withoutComments(_ operands: Substring) -> String {
    var end = operands.utf8.endIndex
    var last: UInt8 = 0
    for index in operands.utf8.indices {
      let byte = operands.utf8[index]
      let next = operands.utf8.index(after: index)
      let isHash = byte == UInt8(ascii: "#") && operands.utf8[next...].first == UInt8(ascii: " ")
      if byte == UInt8(ascii: "<") || byte == UInt8(ascii: "/") && last == byte || isHash {
        end = byte == last ? operands.utf8.index(before: index) : index
        break
      }
      last = byte
    }
    var result = operands[..<end]
    while let last = result.last, last.isWhitespace { result.removeLast() }
    return String(result)
  }

  /// Bytes in the order of memory; words of AArch64 are printed as numbers.
  private static func bytes(_ text: Substring) -> [UInt8] {
    var bytes: [UInt8] = []
    for group in text.split(separator: " ") {
      guard group.utf8.count == 8, let word = UInt32(group, radix: 16) else {
        if let byte = UInt8(group, radix: 16) { bytes.append(byte) }
        continue
      }
      withUnsafeBytes(of: word.littleEndian) { bytes += $0 }
    }
    return bytes
  }
}
