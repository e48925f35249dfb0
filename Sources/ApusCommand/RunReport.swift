import Foundation
import VirtualMachines

/// What `apus run --json` prints: one object with all that is known about a run.
struct RunReport: Encodable {
  struct Machine: Encodable {
    var type: String
    var cpus: Int
    var memoryBytes: UInt64
    var accelerator: String
    var acceleratorReason: String
    var cpuModel: String
    var instructionClock: Bool
    var qemuVersion: String?
    var commandLine: String
  }

  struct Image: Encodable {
    var path: String
    var bytes: Int
    var strippedBytes: UInt64
  }

  struct End: Encodable {
    /// One of exited, panicked, outOfMemory, timedOut, reset, qemuFailed, interrupted.
    var reason: String
    /// The application's status, if it ended by itself.
    var status: UInt8?
    var message: String?

    init(_ reason: Outcome.Reason) {
      switch reason {
      case .exited(let status): (self.reason, self.status) = ("exited", status)
      case .panicked: self.reason = "panicked"
      case .outOfMemory: self.reason = "outOfMemory"
      case .timedOut: self.reason = "timedOut"
      case .reset: self.reason = "reset"
      case .qemuFailed(let message): (self.reason, self.message) = ("qemuFailed", message)
      case .interrupted(let signal):
        (self.reason, self.message) = ("interrupted", "signal \(signal)")
      }
    }
  }

  var machine: Machine
  var image: Image?
  var end: End
  /// The status with which the command ends.
  var exitStatus: Int32
  var wallSeconds: Double
  var boot: BootRecord?
  /// The application's output if it is UTF-8.
  var output: String?
  /// The application's output if it is not.
  var outputBase64: Data?
  var log: [String]
  /// What was counted of the locks, in a checked image.
  var locks: [LockRecord]?
  /// What the CPUs did, and the threads that were alive at the end, with `--stats`.
  var cpus: [CPURecord]?
  var threads: [ThreadRecord]?
  /// Missing when QEMU was killed before it wrote them.
  var instructions: InstructionCounts?

  init(
    _ configuration: VirtualMachineConfiguration, _ choice: AcceleratorProbe.Choice,
    _ outcome: Outcome, _ run: RunOutput
  ) {
    let elf = try? ELFImage(path: configuration.image)
    let commandLine = QEMUCommandLine(configuration, image: elf)
    machine = Machine(
      type: configuration.machine.rawValue, cpus: configuration.cpus,
      memoryBytes: configuration.memory.bytes, accelerator: configuration.accelerator.rawValue,
      acceleratorReason: choice.reason, cpuModel: configuration.accelerator.cpuModel,
      instructionClock: configuration.instructionClock, qemuVersion: QEMUCommandLine.version(),
      commandLine: commandLine.shellCommand)
    image = elf.map {
      Image(path: configuration.image, bytes: $0.fileSize, strippedBytes: $0.strippedSize)
    }
    end = End(outcome.reason)
    exitStatus = outcome.exitStatus
    wallSeconds = outcome.wallSeconds
    boot = outcome.boot
    if let text = String(validating: run.output, as: UTF8.self) {
      output = text
    } else {
      outputBase64 = Data(run.output)
    }
    log = run.log
    cpus = outcome.cpuStatistics.isEmpty ? nil : outcome.cpuStatistics
    threads = outcome.threadStatistics.isEmpty ? nil : outcome.threadStatistics
    locks = outcome.locks.isEmpty ? nil : outcome.locks
    instructions = configuration.counting.flatMap {
      try? InstructionCounts(contentsOf: $0.output)
    }
  }

  func print() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    FileHandle.standardOutput.write(try encoder.encode(self) + Data("\n".utf8))
  }
}
