import Foundation

/// Finds out whether KVM really runs a guest here.
///
/// A `/dev/kvm` that opens, and even one that makes virtual machines, proves nothing: under some
/// hypervisors the first guest instruction is never executed. So a guest of three instructions is
/// run, once per boot of this computer; the answer is kept in the user's cache.
public enum AcceleratorProbe {
  /// What was chosen, and why in half a sentence.
  public struct Choice: Equatable, Sendable {
    public var accelerator: Accelerator
    public var reason: String

    public init(accelerator: Accelerator, reason: String) {
      self.accelerator = accelerator
      self.reason = reason
    }
  }

  /// KVM where it works, otherwise TCG.
  public static func choose() -> Choice {
    let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    guard hasVirtualization(cpuInfo: processor) else {
      return Choice(accelerator: .tcg, reason: "the CPU offers neither VMX nor SVM")
    }
    guard access("/dev/kvm", R_OK | W_OK) == 0 else {
      let reason = String(cString: strerror(errno))
      return Choice(accelerator: .tcg, reason: "/dev/kvm cannot be opened: \(reason)")
    }
    let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let works: Bool
    if let boot, let known = cached(boot: boot) {
      works = known
    } else {
      works = runsGuest(accelerator: .kvm, seconds: 2)
      if let boot { remember(works, boot: boot) }
    }
    return works
      ? Choice(accelerator: .kvm, reason: "a guest ran under KVM")
      : Choice(accelerator: .tcg, reason: "/dev/kvm opens but a guest does not run")
  }

  /// Whether the host's CPU has one of the extensions that KVM is made of.
  static func hasVirtualization(cpuInfo: String) -> Bool {
    for line in cpuInfo.split(separator: "\n") where line.hasPrefix("flags") {
      let flags = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      return flags.contains("vmx") || flags.contains("svm")
    }
    return false
  }

  /// Runs a guest that only ends its machine, and tells whether it did so in time.
  static func runsGuest(accelerator: Accelerator, seconds: Double) -> Bool {
    guard let qemu = File.program(QEMUCommandLine.program),
      let directory = try? TemporaryDirectory()
    else { return false }
    defer { directory.remove() }
    let image = directory.path("probe")
    guard (try? Data(guest).write(to: URL(fileURLWithPath: image))) != nil else { return false }
    var process = ChildProcess(
      path: qemu,
      arguments: [
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-M", MachineType.microvm.qemuMachine, "-cpu", accelerator.cpuModel, "-m", "16M",
        "-accel", accelerator.rawValue, "-kernel", image,
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
      ])
    process.descriptors = [.null, .null, .null]
    process.timeout = seconds
    return (try? process.run()) == .exited(status: Int32(exitValue) << 1 | 1)
  }

  private static let exitValue: UInt8 = 0x2a

  /// An ELF file with a PVH entry note, and code that writes to the debug exit device.
  static var guest: [UInt8] {
    let address: UInt64 = 1 << 20
    let code: [UInt8] = [
      0xb8, exitValue, 0, 0, 0,  // mov $exitValue, %eax
      0xba, 0xf4, 0, 0, 0,  // mov $0xf4, %edx
      0xef,  // out %eax, (%dx)
      0xf4, 0xeb, 0xfd,  // 1: hlt; jmp 1b
    ]
    var note: [UInt8] = []
    note += littleEndian(UInt32(4)) + littleEndian(UInt32(8)) + littleEndian(UInt32(18))
    note += Array("Xen\0".utf8) + littleEndian(address)
    let start: UInt64 = 64 + 2 * 56
    let end = start + UInt64(note.count)

    var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
    file += littleEndian(UInt16(2)) + littleEndian(UInt16(62)) + littleEndian(UInt32(1))
    file += littleEndian(address) + littleEndian(UInt64(64)) + littleEndian(UInt64(0))
    file += littleEndian(UInt32(0))
    for number in [64, 56, 2, 64, 0, 0] as [UInt16] { file += littleEndian(number) }
    let parts: [(kind: UInt32, offset: UInt64, size: Int)] = [
      (1, end, code.count), (4, start, note.count),
    ]
    for part in parts {
      file += littleEndian(part.kind) + littleEndian(UInt32(5)) + littleEndian(part.offset)
      file += littleEndian(address) + littleEndian(address)
      file += littleEndian(UInt64(part.size)) + littleEndian(UInt64(part.size))
      file += littleEndian(UInt64(4))
    }
    return file + note + code
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// The file that holds the answer and the boot for which it holds.
  private static var cacheFile: URL {
    let environment = ProcessInfo.processInfo.environment
    let cache =
      environment["XDG_CACHE_HOME"].map { URL(fileURLWithPath: $0) }
      ?? URL(fileURLWithPath: NSHomeDirectory()).appendingPathComponent(".cache")
    return cache.appendingPathComponent("apus/kvm")
  }

  private static func cached(boot: String) -> Bool? {
    let words = (try? String(contentsOf: cacheFile, encoding: .utf8))?.split(separator: " ")
    guard let words, words.count == 2, words[0] == boot else { return nil }
    return words[1] == "works"
  }

  /// Without a cache the probe is only run again, so that failing to write is no error.
  private static func remember(_ works: Bool, boot: String) {
    try? FileManager.default.createDirectory(
      at: cacheFile.deletingLastPathComponent(), withIntermediateDirectories: true)
    try? Data("\(boot) \(works ? "works" : "fails")".utf8).write(to: cacheFile, options: .atomic)
  }
}
