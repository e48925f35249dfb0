import Foundation
import Testing

/// What the types of `Locking` rule out: each file in `Tests/MustNotCompile` says in its first line
/// which error the compiler must give, or that it gives none.
@Suite struct MustNotCompileTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static let directory = root.appendingPathComponent("Tests/MustNotCompile")

  static let files: [String] = {
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory.path)
    return (names ?? []).filter { $0.hasSuffix(".swift") }.sorted()
  }()

  /// The lines in which the compiler names an error of the file; it goes as far as ownership is
  /// checked.
  private static func errors(in file: URL) throws -> [Substring] {
    let products = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent()
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = [
      "swiftc", "-emit-sil", "-o", "/dev/null", "-swift-version", "6", "-warnings-as-errors",
      "-enable-experimental-feature", "Lifetimes", "-diagnostic-style", "llvm",
      "-I", products.appendingPathComponent("Modules").path,
      "-I", root.appendingPathComponent("Sources/CMachine/include").path,
      "-I", root.appendingPathComponent("Sources/ISRNotes/include").path,
      "-Xcc",
      "-fmodule-map-file="
        + products.appendingPathComponent("CMachine.build/module.modulemap").path, file.path,
    ]
    let output = Pipe()
    compiler.standardError = output
    compiler.standardOutput = FileHandle.nullDevice
    try compiler.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    compiler.waitUntilExit()
    let errors = text.split(separator: "\n").filter { $0.contains(": error: ") }
    if errors.isEmpty { try #require(compiler.terminationStatus == 0, "swiftc: \(text)") }
    return errors
  }

  @Test func thereAreFiles() {
    #expect(Self.files.count > 10 && Self.files.contains("Control.swift"))
  }

  @Test(arguments: files) func compile(_ name: String) throws {
    let file = Self.directory.appendingPathComponent(name)
    let source = try String(contentsOf: file, encoding: .utf8)
    let line = try #require(source.split(separator: "\n").first)
    try #require(line.hasPrefix("// expect: "))
    let expected = line.dropFirst("// expect: ".count)
    let errors = try Self.errors(in: file)
    if expected == "nothing" {
      #expect(errors == [])
    } else {
      #expect(errors.count == 1 && errors.allSatisfy { $0.contains(expected) }, "\(errors)")
    }
  }
}
