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
    for line in output.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 2, let colon = fields[0].firstIndex(of: ":"),
        let address = UInt64(fields[0][..<colon].trimmingPrefix(while: \.isWhitespace), radix: 16)
      else { continue }
      var operands = fields.count > 2 ? String(fields[2]) : ""
      for end in [" <", " //", " #"] where end != " #" || operands.contains("# ") {
        if let range = operands.range(of: end == " #" ? " # " : end) {
          operands = String(operands[..<range.lowerBound])
        }
      }
      self.lines.append(
        Line(
          address: address,
          bytes: Self.bytes(fields[0][fields[0].index(after: colon)...]),
          mnemonic: fields[1].trimmingCharacters(in: .whitespaces),
          operands: operands.trimmingCharacters(in: .whitespaces)))
    }
  }

  /// Bytes in the order of memory; words of AArch64 are printed as numbers.
  private static func bytes(_ text: Substring) -> [UInt8] {
    text.split(separator: " ").flatMap { group in
      let digits = Array(group)
      let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)
      }
      return bytes.count == 4 ? bytes.reversed() : bytes
    }
  }
}
