import Foundation

/// Builds the image of a package by `swift build` and the kernel's Swift SDK.
public struct PackageBuild: Sendable {
  /// Images are built for release only. Without optimisation globals are initialised when they are
  /// first used, by code that spins without a pause and may not run in an interrupt.
  private static let configuration = "release"

  /// Why there is no image.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    case noPackage(path: String)
    case swiftMissing
    case wrongSwift(version: String)
    case notDescribed(output: String)
    case noExecutable(path: String)
    case severalExecutables(names: [String])
    case unknownProduct(name: String, known: [String])
    case failed(output: String)
    case noImage(path: String)
    case interrupted(signal: Int32)
    case system(String)

    public var description: String {
      switch self {
      case .noPackage(let path):
        "\(path) has no Package.swift: give a package's directory, or make one with `apus new`"
      case .swiftMissing: "swift is not on the PATH; install Swift \(requiredSwift)"
      case .wrongSwift(let version):
        "this is \(version), but Apus needs Swift \(requiredSwift); put that first on the PATH"
      case .notDescribed(let output):
        "the package cannot be read:\n\(output.trimmingCharacters(in: .newlines))"
      case .noExecutable(let path):
        "the package in \(path) has no executable product: add an .executableTarget"
      case .severalExecutables(let names):
        "the package has several executables; choose one by --product: "
          + names.joined(separator: ", ")
      case .unknownProduct(let name, let known):
        "the package has no executable product \(name); it has: \(known.joined(separator: ", "))"
      case .failed(let output):
        "the package does not build:\n\(output.trimmingCharacters(in: .newlines))"
      case .noImage(let path): "the build left no image at \(path)"
      case .interrupted(let signal): "interrupted by signal \(signal)"
      case .system(let message): message
      }
    }

    /// The status with which the command ends.
    public var exitStatus: Int32 {
      switch self {
      case .interrupted(let signal): 128 + signal
      case .noPackage, .system: 125
      case .swiftMissing: 127
      default: 1
      }
    }
  }

  /// The release of Swift whose standard library and compiler the kernel is made for.
  public static let requiredSwift = "6.3"
  /// The platform for which images are built; SwiftPM names a directory after it.
  static let triple = "x86_64-unknown-none-elf"
  static let sdk = "apus-x86_64"

  /// The directory with the package's `Package.swift`.
  public var package: String
  /// The product to be built, or `nil` for the package's only executable.
  public var product: String?
  /// Where SwiftPM keeps what it makes, without checks.
  private let plainScratchPath: String
  /// Whether the kernel checks itself while it runs; such images have a scratch path of their own.
  public var isChecked = false
  /// Whether SwiftPM's output goes to the user as it comes.
  public var verbose = false
  /// Whether INT, TERM and HUP end the build: only for a process with one thread.
  public var handlesSignals = false

  private let kernel: KernelLocation

  /// A build of a package with a kernel.
  ///
  /// - Parameter scratchPath: by default `.build` in the package; the packages in the kernel's own
  ///   tree share one, so that the kernel is built once for all.
  public init(package: String, kernel: KernelLocation, scratchPath: String? = nil) throws(Failure) {
    guard FileManager.default.fileExists(atPath: "\(package)/Package.swift") else {
      throw .noPackage(path: package)
    }
    let directory = URL(fileURLWithPath: package).standardizedFileURL.path
    self.package = directory
    self.kernel = kernel
    plainScratchPath =
      scratchPath.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
      ?? (kernel.contains(directory) ? "\(kernel.root)/.build-images" : "\(directory)/.build")
  }

  /// Where SwiftPM keeps what it makes.
  public var scratchPath: String { isChecked ? "\(plainScratchPath)-checked" : plainScratchPath }

  /// The path that the image of a product has after a build.
  public func imagePath(product: String) -> String {
    "\(scratchPath)/\(Self.triple)/\(Self.configuration)/\(product)"
  }

  /// The arguments of `swift` that build a product.
  ///
  /// SwiftPM keeps its plan of the build in the scratch path and takes it for that of the next
  /// build, be it another package's; so it is told to plan anew, which takes little.
  func arguments(product: String) -> [String] {
    [
      "build", "--swift-sdks-path", kernel.sdks, "--swift-sdk", Self.sdk,
      "-c", Self.configuration, "--product", product, "--package-path", package,
      "--scratch-path", scratchPath, "--disable-build-manifest-caching",
    ]
  }

  /// Builds the image.
  ///
  /// - Parameter onProgress: is called with each line that SwiftPM writes.
  /// - Returns: the product's name and the image's path.
  public func run(
    onProgress: (String) -> Void = { _ in }
  ) throws(Failure) -> (product: String, image: String) {
    let swift = try Self.requireSwift()
    let product = try productToBuild(swift: swift)
    var process = ChildProcess(path: swift, arguments: arguments(product: product))
    process.interruption = SIGTERM
    process.handlesSignals = handlesSignals
    // The package's description reads it.
    if isChecked { process.environment.append("APUS_CHECKED=1") }
    if verbose { process.descriptors = [.null, .inherited, .inherited] }
    let (end, output) = try Self.output(of: process, onLine: onProgress)
    try Self.requireSuccess(end) { Failure.failed(output: output) }
    let image = imagePath(product: product)
    guard FileManager.default.fileExists(atPath: image) else { throw .noImage(path: image) }
    return (product, image)
  }

  /// The product that was asked for, or the package's only executable.
  public func productToBuild() throws(Failure) -> String {
    try productToBuild(swift: try Self.requireSwift())
  }

  private func productToBuild(swift: String) throws(Failure) -> String {
    let names = try executables(swift: swift)
    if let product {
      guard names.contains(product) else {
        throw .unknownProduct(name: product, known: names)
      }
      return product
    }
    guard let name = names.first else { throw .noExecutable(path: package) }
    guard names.count == 1 else { throw .severalExecutables(names: names) }
    return name
  }

  /// The names of the package's executable products.
  private func executables(swift: String) throws(Failure) -> [String] {
    var process = ChildProcess(
      path: swift,
      arguments: [
        "package", "--package-path", package, "--scratch-path", scratchPath, "describe",
        "--type", "json",
      ])
    process.interruption = SIGTERM
    process.handlesSignals = handlesSignals
    var json: [UInt8] = []
    let (end, messages) = try Self.output(of: process, onStandardOutput: { json += $0 })
    try Self.requireSuccess(end) { Failure.notDescribed(output: messages) }
    guard let products = PackageDescription.executables(json: Data(json)) else {
      throw .notDescribed(output: "swift package describe printed something unknown")
    }
    return products
  }

  /// The path of a Swift that can build the kernel.
  static func requireSwift() throws(Failure) -> String {
    guard let swift = File.program("swift") else { throw .swiftMissing }
    let process = ChildProcess(path: swift, arguments: ["--version"])
    var words: [UInt8] = []
    _ = try output(of: process, onStandardOutput: { words += $0 })
    let line = String(decoding: words, as: UTF8.self).split(separator: "\n").first { line in
      line.contains("Swift version")
    }
    // Swift version 6.3.1 (swift-6.3.1-RELEASE)
    let version = line?.split(separator: " ").drop { $0 != "version" }.dropFirst().first
    guard let version, version == requiredSwift || version.hasPrefix("\(requiredSwift).") else {
      throw .wrongSwift(version: "Swift \(version ?? "of an unknown version")")
    }
    return swift
  }

  /// Runs a program to its end; standard output and standard error come together unless the
  /// former is taken apart.
  private static func output(
    of process: ChildProcess, onLine: (String) -> Void = { _ in },
    onStandardOutput: ((UnsafeRawBufferPointer) -> Void)? = nil
  ) throws(Failure) -> (ChildProcess.End, String) {
    var text: [UInt8] = []
    var line: [UInt8] = []
    do {
      let end = try process.run { descriptor, bytes in
        if descriptor == 1, let onStandardOutput { return onStandardOutput(bytes) }
        text += bytes
        for byte in bytes {
          if byte == UInt8(ascii: "\n") {
            onLine(String(decoding: line, as: UTF8.self))
            line = []
          } else {
            line.append(byte)
          }
        }
      }
      return (end, String(decoding: text, as: UTF8.self))
    } catch {
      throw .system(error.description)
    }
  }

  private static func requireSuccess(
    _ end: ChildProcess.End, _ failure: () -> Failure
  ) throws(Failure) {
    switch end {
    case .exited(status: 0): return
    case .interrupted(let signal): throw .interrupted(signal: signal)
    default: throw failure()
    }
  }
}

/// What `swift package describe --type json` prints, as far as it is used here.
private struct PackageDescription: Decodable {
  struct Product: Decodable {
    var name: String
    /// One key, the kind of the product.
    var type: [String: [String]?]
  }

  var products: [Product]

  static func executables(json: Data) -> [String]? {
    let description = try? JSONDecoder().decode(PackageDescription.self, from: json)
    return description?.products.filter { $0.type.keys.contains("executable") }.map(\.name)
  }
}
