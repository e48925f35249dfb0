import Glibc

extension BenchmarkReport.Facts {
  /// The facts of a bench of the kernel at `root`, here and now.
  public init(root: String) {
    var configuration = VirtualMachineConfiguration(image: "", programName: "")
    configuration.instructionClock = true
    self.init(
      commit: Self.commit(root: root), qemu: QEMUCommandLine.version() ?? "unknown",
      swift: Self.swift() ?? "unknown", build: Self.isChecked ? "release, checked" : "release",
      machine: configuration.machine.qemuMachine,
      cpuModel: configuration.accelerator.cpuModel, cpus: configuration.cpus,
      memory: configuration.memory.description,
      flags: QEMUCommandLine(configuration).accelerator.joined(separator: " "))
  }

  /// Whether the environment asks for checks in the kernel (`Package.swift`), which cost.
  public static var isChecked: Bool { getenv("APUS_CHECKED") != nil }

  /// The commit of the sources, or `unknown` where there is no repository.
  private static func commit(root: String) -> String {
    guard let commit = firstLine("git", ["-C", root, "rev-parse", "HEAD"]), !commit.isEmpty else {
      return "unknown"
    }
    let arguments = ["-C", root, "status", "--porcelain", "--untracked-files=no"]
    let changes = firstLine("git", arguments) ?? ""
    return changes.isEmpty ? commit : "\(commit)-dirty"
  }

  private static func swift() -> String? { firstLine("swift", ["--version"]) }

  /// The first line that a program prints, or `nil` when it fails.
  private static func firstLine(_ program: String, _ arguments: [String]) -> String? {
    guard let path = File.program(program) else { return nil }
    var words: [UInt8] = []
    let end = try? ChildProcess(path: path, arguments: arguments).run { descriptor, bytes in
      if descriptor == 1 { words.append(contentsOf: bytes) }
    }
    guard end == .exited(status: 0) else { return nil }
    return String(decoding: words, as: UTF8.self).split(separator: "\n").first.map(String.init)
      ?? ""
  }
}
