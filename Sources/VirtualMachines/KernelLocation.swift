import Foundation

/// Where the kernel's package and its Swift SDK are on this computer.
public struct KernelLocation: Equatable, Sendable {
  /// There is no kernel where it is looked for.
  public enum NotFound: Error, Equatable, CustomStringConvertible {
    case atHome(String)
    case nowhere(executable: String)

    public var description: String {
      switch self {
      case .atHome(let path):
        "APUS_HOME is \(path), which has no Package.swift and \(KernelLocation.bundle); "
          + "set it to a clone of Apus"
      case .nowhere(let executable):
        "no kernel above \(executable) or in ../share/apus beside it; "
          + "set APUS_HOME to a clone of Apus"
      }
    }
  }

  /// The directory with the kernel's `Package.swift`.
  public let root: String

  private static let bundle = "SDKs/apus.artifactbundle"

  /// The directory with the Swift SDK bundle.
  public var sdks: String { "\(root)/SDKs" }

  /// What the kernel declares about the code that interrupts reach, beside the image's own table.
  public var interruptPolicy: String { "\(root)/\(Self.bundle)/x86_64/interrupts.policy" }

  /// Looks where the environment's APUS_HOME says; else in the directories above the executable,
  /// as in a clone; else in `../share/apus` beside it, as after `make install`.
  public init(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    executable: String = Executable.path
  ) throws(NotFound) {
    if let home = environment["APUS_HOME"], !home.isEmpty {
      guard Self.isKernel(home) else { throw .atHome(home) }
      root = Self.real(home)
      return
    }
    let directory = URL(fileURLWithPath: executable).deletingLastPathComponent()
    var above = directory
    while above.path != "/" {
      if Self.isKernel(above.path) {
        root = Self.real(above.path)
        return
      }
      above.deleteLastPathComponent()
    }
    let installed = directory.appendingPathComponent("../share/apus").standardizedFileURL.path
    guard Self.isKernel(installed) else { throw .nowhere(executable: executable) }
    root = Self.real(installed)
  }

  /// Whether a path lies below the kernel's directory, as that of an example does.
  public func contains(_ path: String) -> Bool {
    Self.real(path).hasPrefix(root + "/")
  }

  /// The names of the kernel's modules, which no module of an application may have.
  public var modules: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/Sources")) ?? []).sorted()
  }

  private static func isKernel(_ path: String) -> Bool {
    ["Package.swift", bundle].allSatisfy {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }

  private static func real(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
  }
}
