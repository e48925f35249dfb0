import Foundation

@testable import ISRCheck

/// A program of a few functions in assembler text, whose root is the function `root`.
enum AssemblyProgram {
  enum Architecture: String, CaseIterable {
    case x86 = "x86_64"
    case arm = "aarch64"

    var header: String { self == .arm ? ".arch armv8.2-a\n.text\n" : ".text\n" }
  }

  /// What a check finds from `root` on. Each label but the numbers is a function.
  static func report(_ assembly: String, for architecture: Architecture) throws -> Report {
    let directory = try ScratchDirectory()
    var text = architecture.header
    for line in assembly.split(separator: "\n") {
      if line.hasSuffix(":"), line.first?.isNumber != true {
        text += ".globl \(line.dropLast())\n.type \(line.dropLast()), %function\n"
      }
      text += line + "\n"
    }
    try Data(text.utf8).write(to: directory.url.appendingPathComponent("a.s"))
    try Data("root root\n".utf8).write(to: directory.url.appendingPathComponent("a.policy"))
    try Toolchain.run(
      "clang",
      [
        "--target=\(architecture.rawValue)-none-elf", "-nostdlib", "-static", "-fuse-ld=lld",
        "-Wl,-e,root",
        "a.s", "-o", "a.elf",
      ], in: directory.url)
    var options = CheckOptions()
    options.policies = [directory.path("a.policy")]
    return try Checker(path: directory.path("a.elf"), options: options).report()
  }
}
