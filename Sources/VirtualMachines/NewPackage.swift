import Foundation

/// A new application's package, which builds and runs as it is.
public struct NewPackage: Equatable, Sendable {
  /// Why the package cannot be made.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    case badName(String)
    case takenName(String, module: String)
    case exists(path: String)
    case noKernel(path: String)
    case cannotWrite(path: String, reason: String)

    public var description: String {
      switch self {
      case .badName(let name):
        "'\(name)' cannot name a Swift module: use letters, digits and '_', no digit first, "
          + "and no word of the language"
      case .takenName(let name, let module):
        "'\(name)' clashes with the module \(module) of the kernel: choose another name"
      case .exists(let path): "\(path) exists already: choose another name or remove it"
      case .noKernel(let path): "--kernel: \(path) has no Package.swift; give a clone of Apus"
      case .cannotWrite(let path, let reason): "cannot write \(path): \(reason)"
      }
    }
  }

  /// Where the package finds the kernel.
  public enum Kernel: Equatable, Sendable {
    case path(String)
    case url(String)

    /// What the user means by `--kernel`: a URL, or a clone's directory.
    public init(_ text: String) throws(Failure) {
      if text.contains("://") || text.hasPrefix("git@") {
        self = .url(text)
        return
      }
      let path = URL(fileURLWithPath: text).standardizedFileURL.path
      guard FileManager.default.fileExists(atPath: "\(path)/Package.swift") else {
        throw .noKernel(path: path)
      }
      self = .path(path)
    }

    /// The dependency as it stands in `Package.swift`.
    ///
    /// A dependency by path is named after its folder unless the name is said.
    var dependency: String {
      switch self {
      case .path(let path): ".package(name: \"apus\", path: \(Self.literal(path)))"
      case .url(let url): ".package(url: \(Self.literal(url)), branch: \"main\")"
      }
    }

    /// The name by which targets refer to the package: that of a URL is its last component.
    var identity: String {
      guard case .url(let url) = self else { return "apus" }
      let last = url.split { $0 == "/" || $0 == ":" }.last.map(String.init) ?? "apus"
      return last.hasSuffix(".git") ? String(last.dropLast(4)) : last
    }

    private static func literal(_ text: String) -> String {
      let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return "\"\(escaped)\""
    }
  }

  /// The name of the package, its product and its module.
  public let name: String
  /// Where the kernel is.
  public let kernel: Kernel

  /// Describes a package; nothing is written yet.
  ///
  /// - Parameter modules: the names of the kernel's modules.
  public init(name: String, kernel: Kernel, modules: [String]) throws(Failure) {
    guard Self.isIdentifier(name) else { throw .badName(name) }
    let taken = modules + ["apus", "Swift", "Synchronization"]
    if let module = taken.first(where: { $0.lowercased() == name.lowercased() }) {
      throw .takenName(name, module: module)
    }
    self.name = name
    self.kernel = kernel
  }

  /// The package's files by their paths in it.
  public var files: [(path: String, text: String)] {
    [
      ("Package.swift", manifest), ("Sources/\(name)/\(name).swift", source),
      ("README.md", readme), (".gitignore", ".build/\nPackage.resolved\n"),
    ]
  }

  /// Writes the files into a new directory with the package's name.
  ///
  /// - Returns: the path of the directory.
  @discardableResult
  public func write(in parent: String = ".") throws(Failure) -> String {
    let root = parent == "." ? name : "\(parent)/\(name)"
    guard !FileManager.default.fileExists(atPath: root) else { throw .exists(path: root) }
    for (path, text) in files {
      let file = URL(fileURLWithPath: "\(root)/\(path)")
      do {
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
      } catch {
        throw .cannotWrite(path: file.path, reason: error.localizedDescription)
      }
    }
    return root
  }

  private static func isIdentifier(_ name: String) -> Bool {
    let letters = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard letters, let first = name.utf8.first else { return false }
    let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    return !isDigit && name != "_" && !keywords.contains(name)
  }

  /// The Swift Programming Language, Lexical Structure: keywords that cannot be identifiers.
  private static let keywords: Set<String> = [
    "Any", "Self", "as", "associatedtype", "await", "break", "case", "catch", "class", "continue",
    "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false",
    "fileprivate", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is",
    "let", "nil", "operator", "precedencegroup", "private", "protocol", "public", "repeat",
    "rethrows", "return", "self", "static", "struct", "subscript", "super", "switch", "throw",
    "throws", "true", "try", "typealias", "var", "where", "while",
  ]

  private var manifest: String {
    """
    // swift-tools-version: 6.2
    import PackageDescription

    let package = Package(
      name: "\(name)",
      dependencies: [
        \(kernel.dependency)
      ],
      targets: [
        .executableTarget(
          name: "\(name)", dependencies: [.product(name: "Apus", package: "\(kernel.identity)")])
      ]
    )

    """
  }

  private var source: String {
    """
    import Apus

    @main
    struct Application {
      static func main() {
        // Every CPU runs the closure at the same time; this goes on when all are done.
        CPUSet.online.run { cpu in print("Hello from CPU \\(cpu.index)") }
      }
    }

    """
  }

  private var readme: String {
    """
    # \(name)

    An application for Apus, a unikernel in Swift: the application and the kernel become one image
    that boots on every CPU of a virtual machine.

    ```
    apus run .                           # build and boot it
    apus run --cpus 16 --memory 1G .     # on another machine; apus run --help has all flags
    apus run . -- --verbose input.txt    # with arguments: CommandLine.arguments
    apus run --rootfs DIR .              # with the files below DIR: FileSystem
    apus build .                         # only build the image
    ```

    What it prints is standard output, its status is that of `exit(_:)` (0 at the end of `main`),
    and a failed check shows where every CPU was.

    """
  }
}
