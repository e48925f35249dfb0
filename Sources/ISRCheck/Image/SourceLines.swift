import Foundation

/// Tells the source lines of addresses from an image's debugging information, by the toolchain's
/// `llvm-symbolizer`.
public struct SourceLines: Sendable {
  /// The image's path.
  public var image: String
  /// Below which paths become relative.
  public var root: SourceRoot
  /// The environment in which the symbolizer is searched.
  public var environment: [String: String]
  /// How long the symbolizer may take, in seconds.
  public var timeLimit: Double = 60

  public init(
    image: String, root: SourceRoot,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.image = image
    self.root = root
    self.environment = environment
  }

  /// Why there are no source lines, in one line.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    case noSymbolizer
    case symbolizerFailed(path: String)

    public var description: String {
      switch self {
      case .noSymbolizer:
        "no source lines: llvm-symbolizer is neither beside swiftc nor on the PATH"
      case .symbolizerFailed(let path):
        "no source lines: \(path) gave no answer"
      }
    }
  }

  /// Fills in the source lines of all findings and their chains, by one run of the symbolizer. When
  /// it fails, the report stays as it is.
  public func addSourceLines(to report: inout Report) throws(Failure) {
    let places = report.findings.flatMap { [$0.place] + $0.chain.map(\.place) }
    let lines = try lines(of: places.map(\.address))
    for finding in report.findings.indices {
      report.findings[finding].place.addSource(from: lines)
      Self.addSourceLines(to: &report.findings[finding].chain, from: lines)
    }
  }

  /// Fills in the source lines of a chain of calls.
  public func addSourceLines(to chain: inout [Call]) throws(Failure) {
    Self.addSourceLines(to: &chain, from: try lines(of: chain.map(\.place.address)))
  }

  private static func addSourceLines(to chain: inout [Call], from lines: [UInt64: SourceLine]) {
    for call in chain.indices { chain[call].place.addSource(from: lines) }
  }

  /// The source lines of those addresses that have one.
  public func lines(of addresses: [UInt64]) throws(Failure) -> [UInt64: SourceLine] {
    guard !addresses.isEmpty else { return [:] }
    guard let symbolizer = symbolizerPath else { throw .noSymbolizer }
    var program = FilterProgram(path: symbolizer)
    program.arguments = [
      "--obj=\(image)", "--output-style=JSON", "--inlines", "--no-demangle",
    ]
    program.environment = environment
    // Else it asks servers for debugging information.
    program.environment["DEBUGINFOD_URLS"] = nil
    program.timeLimit = timeLimit
    let input = Set(addresses).sorted().map { $0.hexadecimal + "\n" }.joined()
    guard let output = program.run(input: Array(input.utf8)) else {
      throw .symbolizerFailed(path: symbolizer)
    }
    var lines: [UInt64: SourceLine] = [:]
    let decoder = JSONDecoder()
    for text in output.split(separator: UInt8(ascii: "\n")) {
      guard let answer = try? decoder.decode(Answer.self, from: Data(text)) else { continue }
      guard let address = UInt64(answer.address.dropFirst(2), radix: 16) else { continue }
      lines[address] = answer.innermostLine(root)
    }
    return lines
  }

  /// The symbolizer beside the real `swiftc`, or else on the PATH.
  private var symbolizerPath: String? {
    let name = "llvm-symbolizer"
    let directories = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let compilers = directories.map { "\($0)/swiftc" }
    let compiler = compilers.first(where: FileManager.default.isExecutableFile)
    let beside = compiler.map {
      URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent().path
    }
    return ([beside].compactMap { $0 } + directories).map { "\($0)/\(name)" }
      .first(where: FileManager.default.isExecutableFile)
  }

  /// What the symbolizer says about an address.
  private struct Answer: Decodable {
    var address: String
    /// The functions that are inlined there, innermost first, and the one that they are inlined
    /// into.
    var frames: [Frame]?

    enum CodingKeys: String, CodingKey {
      case address = "Address"
      case frames = "Symbol"
    }

    struct Frame: Decodable {
      var file: String
      var line: Int
      var column: Int

      enum CodingKeys: String, CodingKey {
        case file = "FileName"
        case line = "Line"
        case column = "Column"
      }
    }

    /// The line that is no code of the compiler's own, which has line 0.
    func innermostLine(_ root: SourceRoot) -> SourceLine? {
      let known = (frames ?? []).filter { !$0.file.isEmpty && $0.line > 0 }
      // Lines of what the compiler has made by itself are lines of no file.
      let frame = known.first { !$0.file.hasSuffix("<compiler-generated>") } ?? known.first
      return frame.map {
        SourceLine(
          file: root.shortened($0.file), line: $0.line, column: $0.column > 0 ? $0.column : nil)
      }
    }
  }
}

extension Place {
  fileprivate mutating func addSource(from lines: [UInt64: SourceLine]) {
    if let line = lines[address] { source = line }
  }
}
