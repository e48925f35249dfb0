import Foundation

/// The QEMU plugin that counts instructions, as built with this package.
public enum InstructionCounterPlugin {
  /// The plugin is neither beside the command nor where `make install` puts it.
  public struct Missing: Error, CustomStringConvertible {
    public let description =
      "libInstructionCounter.so, which counts instructions, is not beside the command; build it: "
      + "swift build -c release --product InstructionCounter"
  }

  static let fileName = "libInstructionCounter.so"

  /// The path of the plugin, for an executable at `executable`.
  public static func path(executable: String = Executable.path) throws(Missing) -> String {
    let directory = URL(fileURLWithPath: executable).deletingLastPathComponent()
    for place in [".", "../lib/apus"] {
      let path = directory.appendingPathComponent(place).appendingPathComponent(fileName)
        .standardizedFileURL.path
      if FileManager.default.isReadableFile(atPath: path) { return path }
    }
    throw Missing()
  }
}

/// The program that runs.
public enum Executable {
  /// Its path, with symbolic links followed.
  public static var path: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
  }
}
