import Foundation

@testable import VirtualMachines

/// A shell script in QEMU's place, in a directory of its own, and an image to be run.
final class FalseQEMU {
  let directory: VirtualMachines.TemporaryDirectory
  var program: String { directory.path(QEMUCommandLine.program) }
  var image: String { directory.path("image") }

  /// The script's descriptors are those that QEMU gets: 1 is COM1, 3 the log. The image is one that `reads` its
  /// standard input, or not.
  init(_ script: String, reads: Bool = true) throws {
    directory = try VirtualMachines.TemporaryDirectory()
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: URL(fileURLWithPath: program))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    try Data(SampleELF.bytes(reads: reads)).write(to: URL(fileURLWithPath: image))
  }

  deinit { directory.remove() }

  /// The result of a run in this process.
  struct Result {
    var outcome: Outcome
    var output: [UInt8] = []
    var log: [String] = []
  }

  func run(
    input: InputSource = InputSource(descriptor: nil),
    _ change: (inout VirtualMachineConfiguration) -> Void = { _ in }
  ) throws -> Result {
    var configuration = VirtualMachineConfiguration(image: image, programName: "sample")
    configuration.qemu = program
    change(&configuration)
    var output: [UInt8] = []
    var log: [String] = []
    let outcome = try VirtualMachine.run(
      configuration,
      events: .init(input: input, onOutput: { output += $0 }, onLog: { log.append($0) }))
    return Result(outcome: outcome, output: output, log: log)
  }

  /// Waits until the script has written a file, and returns the process id in it.
  func processIdentifier(in file: String) throws -> pid_t {
    for _ in 0..<500 {
      if let text = try? String(contentsOfFile: directory.path(file), encoding: .utf8),
        text.hasSuffix("\n"), let identifier = pid_t(text.dropLast())
      {
        return identifier
      }
      usleep(10_000)
    }
    throw ChildProcess.Failure(description: "the script did not write \(file)")
  }

  /// Whether a process is gone within five seconds; one that waits for its parent counts as gone.
  static func isGone(_ identifier: pid_t) -> Bool {
    for _ in 0..<500 {
      guard let status = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8),
        !status.contains(") Z ")
      else { return true }
      usleep(10_000)
    }
    return false
  }
}
