import Foundation

/// A QEMU plugin of the project, as built with this package.
public enum QEMUPlugin: String, Sendable {
  /// Counts instructions.
  case instructionCounter = "InstructionCounter"
  /// Counts how often each instruction is executed.
  case instructionProfile = "InstructionProfile"
  /// Records what runs inside interrupts.
  case interruptTrace = "InterruptTrace"
  /// Records which CPU touches which cache line.
  case conflictTrace = "ConflictTrace"

  /// The plugin is neither beside the command nor where `make install` puts it.
  public struct Missing: Error, Equatable, CustomStringConvertible {
    /// The plugin that was looked for.
    public let plugin: QEMUPlugin

    public var description: String {
      "\(plugin.fileName), which \(plugin.purpose), is not beside the command; build it: "
        + "swift build -c release --product \(plugin.rawValue)"
    }
  }

  /// The path of the plugin, for an executable at `executable`.
  public func path(executable: String = Executable.path) throws(Missing) -> String {
    let directory = URL(fileURLWithPath: executable).deletingLastPathComponent()
    for place in [".", "../lib/apus"] {
      let path = directory.appendingPathComponent(place).appendingPathComponent(fileName)
        .standardizedFileURL.path
      if FileManager.default.isReadableFile(atPath: path) { return path }
    }
    throw Missing(plugin: self)
  }

  var fileName: String { "lib\(rawValue).so" }

  private var purpose: String {
    switch self {
    case .instructionCounter: "counts instructions"
    case .instructionProfile: "counts each instruction"
    case .interruptTrace: "traces interrupts"
    case .conflictTrace: "records cache lines"
    }
  }
}

/// The program that runs.
public enum Executable {
  /// Its path, with symbolic links followed.
  public static var path: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
  }
}
