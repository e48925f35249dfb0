import Foundation
import Testing

@testable import ISRCheck

/// Instructions of x86-64 as the toolchain assembles and the decoder reads them.
enum X86Assembly {
  /// The instructions of lines in Intel's syntax, each as if it were at 0x1000; `.` is where the
  /// instruction itself is.
  static func decoded(_ lines: [String]) throws -> [Instruction?] {
    let directory = try ScratchDirectory()
    // The assembler has no `.` in this syntax.
    let labelled = lines.enumerated().map { index, line in
      "here\(index): " + line.replacing(" .", with: " here\(index)") + "\n"
    }
    let text = ".intel_syntax noprefix\n.text\n" + labelled.joined()
    try Data(text.utf8).write(to: directory.url.appendingPathComponent("a.s"))
    try Toolchain.run(
      "clang", ["--target=x86_64-none-elf", "-c", "a.s", "-o", "a.o"], in: directory.url)
    let disassembly = try Disassembly(of: "a.o", arguments: ["-M", "intel"], in: directory.url)
    try #require(disassembly.lines.count == lines.count)
    return disassembly.lines.map { line in
      line.bytes.withUnsafeBytes { X86Decoder().decode($0, at: 0x1000) }
    }
  }
}
