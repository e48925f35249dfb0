import Glibc
import VirtualMachines

/// Where the output and the log of a run go: to the user at once, or into the report.
final class RunOutput {
  /// The application's output, when it is kept for a report.
  private(set) var output: [UInt8] = []
  /// The log's lines, when they are kept for a report.
  private(set) var log: [String] = []

  private let json: Bool
  private let standardOutput = OutputQueue(descriptor: STDOUT_FILENO)
  private let standardError = OutputQueue(descriptor: STDERR_FILENO)

  /// Why output of the application is lost, if it is.
  var failure: String? { standardOutput.failure }

  init(json: Bool) { self.json = json }

  /// What the application reads: it gets the command's own standard input when it asks.
  private let input = InputSource(descriptor: STDIN_FILENO)

  /// What the run is to hand over to whom.
  var events: VirtualMachine.Events {
    guard !json else {
      return VirtualMachine.Events(
        input: input, onOutput: { self.output += $0 }, onLog: { self.log.append($0) })
    }
    return VirtualMachine.Events(
      outputs: [standardOutput, standardError], input: input,
      onOutput: { self.standardOutput.append($0) },
      onLog: { self.standardError.append("\(StandardError.logLine($0))\n".utf8) })
  }
}
