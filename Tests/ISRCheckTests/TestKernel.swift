import Foundation
import Testing

/// The kernel in `Kernel`, as compilers of this machine make it.
final class TestKernel {
  /// A compiler and what it compiles for.
  struct Variant: CustomTestStringConvertible, Sendable {
    var compiler: String
    var architecture: String
    /// The compiler keeps a hash of each function's type, and calls check it.
    var hasTypeHashes = false

    var testDescription: String {
      "\(compiler) for \(architecture)\(hasTypeHashes ? " with type hashes" : "")"
    }

    /// The command up to the sources.
    fileprivate var command: [String] {
      var command = [
        compiler, "-std=c11", "-O2", "-g", "-ffreestanding", "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables", "-fno-pic", "-Wall", "-Wextra", "-Werror",
        AnnotatedProgram.include,
      ]
      if compiler == "clang" { command.append("--target=\(architecture)-none-elf") }
      if architecture == "x86_64" { command += ["-mno-red-zone", "-fcf-protection=none"] }
      if hasTypeHashes { command.append("-fsanitize=kcfi") }
      return command
    }
  }

  /// All variants whose compiler this machine has.
  static let variants = [
    Variant(compiler: "gcc", architecture: "x86_64"),
    Variant(compiler: "clang", architecture: "x86_64"),
    Variant(compiler: "clang", architecture: "x86_64", hasTypeHashes: true),
    Variant(compiler: "clang", architecture: "aarch64"),
    Variant(compiler: "clang", architecture: "aarch64", hasTypeHashes: true),
  ].filter { AnnotatedProgram.tool($0.compiler) != nil }

  static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "Kernel")

  let variant: Variant
  private let directory: ScratchDirectory

  init(_ variant: Variant) throws {
    self.variant = variant
    directory = try ScratchDirectory()
  }

  /// Builds an image in a directory that stays until the tests end.
  ///
  /// - Parameter defines: the bugs to plant.
  /// - Returns: the image's path.
  static func build(compiler: String, architecture: String, defines: [String]) throws -> String {
    let kernel = try TestKernel(Variant(compiler: compiler, architecture: architecture))
    let image = try kernel.image(defines: defines)
    let kept = NSTemporaryDirectory() + "isrcheck-kernel-\(UUID().uuidString).elf"
    try FileManager.default.moveItem(atPath: image, toPath: kept)
    return kept
  }

  /// Builds an image, which goes away with this kernel. Objects are used again.
  func image(defines: [String] = []) throws -> String {
    let files = ["interrupts.c", "locks.c", "vectors.c", "devices.c", "threads.c"]
    var objects = try files.map { try object(of: $0, defines) }
    objects.append(try object(of: "vectors_\(variant.architecture).S", defines))
    let image = directory.path((["kernel"] + defines).joined(separator: "-") + ".elf")
    let script = Self.sources.appending(path: "kernel.ld").path
    try run(["ld.lld", "--gc-sections", "-T", script, "-o", image] + objects)
    return image
  }

  private func object(of file: String, _ defines: [String]) throws -> String {
    let source = Self.sources.appending(path: file)
    let text = try String(contentsOf: source, encoding: .utf8)
    let defines = defines.filter { text.contains($0) }
    let object = directory.path(([file] + defines).joined(separator: "-") + ".o")
    guard !FileManager.default.fileExists(atPath: object) else { return object }
    var command = variant.command + defines.map { "-D\($0)" }
    // The code that interrupts run has the general registers only.
    if ["locks.c", "devices.c"].contains(file) { command.append("-mgeneral-regs-only") }
    try run(command + ["-c", source.path, "-o", object])
    return object
  }

  private func run(_ command: [String]) throws {
    let process = Process()
    process.executableURL = URL(
      fileURLWithPath: try #require(
        AnnotatedProgram.tool(command[0]), "\(command[0]) is missing"))
    process.arguments = Array(command.dropFirst())
    let pipe = Pipe()
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw AnnotatedProgram.Failure(
        command: command.joined(separator: " "), output: String(decoding: output, as: UTF8.self))
    }
  }
}
