import ELF
import Foundation
import ISRCheck
import Testing

/// A small program that compilers of this machine make from annotated sources, and what its table
/// says.
struct AnnotatedProgram {
  /// A program that fails; `output` is what it said.
  struct Failure: Error, CustomStringConvertible {
    let command: String
    let output: String
    var description: String { "\(command)\n\(output)" }
  }

  /// The header that is tested.
  static let include =
    "-I"
    + URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Sources/ISRNotes/include").standardizedFileURL.path

  /// The programs of the Swift toolchain are beside its compiler, wherever a link to it may be.
  static let toolchain: String? = program("swiftc").map {
    URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent().path
  }

  /// The path of a program: in the toolchain, else on the PATH.
  static func tool(_ name: String) -> String? {
    if let toolchain, let path = executable("\(toolchain)/\(name)") { return path }
    return program(name)
  }

  private static func program(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").lazy
      .compactMap { executable("\($0)/\(name)") }.first
  }

  private static func executable(_ path: String) -> String? {
    FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }

  private let directory: String
  private var objects: [String] = []

  /// Makes a program in a directory that is removed after `body`.
  static func inDirectory(_ body: (inout AnnotatedProgram) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "isrnotes-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var program = AnnotatedProgram(directory: directory)
    try body(&program)
  }

  /// Compiles a source file.
  ///
  /// - Parameters:
  ///   - command: the compiler's name and its flags.
  ///   - name: of the source file, which tells its language.
  mutating func compile(_ command: [String], _ name: String, _ source: String) throws {
    let path = "\(directory)/\(name)"
    try Data(source.utf8).write(to: URL(fileURLWithPath: path))
    try run(command + ["-c", path, "-o", "\(path).o"])
    objects.append("\(path).o")
  }

  /// Links what has been compiled and without what nobody refers to.
  func link(_ command: [String]) throws -> ELFFile {
    let path = "\(directory)/program"
    try run(command + ["--gc-sections", "-e", "start", "-o", path] + objects)
    return try ELFFile(path: path)
  }

  private func run(_ command: [String]) throws {
    let process = Process()
    process.executableURL = URL(
      fileURLWithPath: try #require(Self.tool(command[0]), "\(command[0]) is missing"))
    process.arguments = Array(command.dropFirst())
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    // A warning is a failure too: the header must compile without one.
    guard process.terminationStatus == 0, output.isEmpty else {
      throw Failure(
        command: command.joined(separator: " "), output: String(decoding: output, as: UTF8.self))
    }
  }
}

/// The table of an image, with names in place of addresses.
struct NamedTable {
  let image: ELFFile
  let annotations: [Annotation]
  private let addresses: [String: UInt64]

  init(_ image: ELFFile) throws {
    self.image = image
    let section = try #require(image.section(named: AnnotationTable.section))
    let symbols = try image.symbols().filter {
      // `$d` and `$x` on AArch64 mark data and code.
      $0.isDefined && !$0.name.isEmpty && $0.name.count > 2
    }
    addresses = Dictionary(
      symbols.map { ($0.name, $0.address) }, uniquingKeysWith: { one, _ in one })
    let names = Dictionary(
      symbols.map { ($0.address, $0.name) }, uniquingKeysWith: { one, _ in one })
    annotations = try image.withBytes(of: section) { bytes in
      try AnnotationTable(
        bytes: bytes, at: section.address,
        string: { address in
          guard let start = image.offset(ofAddress: address, size: 1) else { return nil }
          let text = image.withBytes { Array($0[Int(start)...].prefix { $0 != 0 }) }
          return String(validating: text, as: UTF8.self)
        },
        symbol: { names[$0].map { ($0, FunctionName.of(symbol: $0)) } }
      ).annotations
    }
  }

  /// Whether there is such a symbol.
  func contains(_ name: String) -> Bool { addresses[name] != nil }

  /// The address of a symbol.
  func address(_ name: String) throws -> UInt64 {
    try #require(addresses[name], "\(name) is not in the image")
  }

  /// What is declared of the function or object that a symbol names, sorted.
  func kinds(of name: String) throws -> [String] {
    let address = try address(name)
    return annotations.filter { $0.function == address }.map { "\($0.kind)" }.sorted()
  }
}
