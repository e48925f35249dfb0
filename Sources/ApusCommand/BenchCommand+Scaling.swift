import ArgumentParser
import Foundation
import VirtualMachines

/// `apus bench --scaling`: what more CPUs and more of everything make of an operation.
extension BenchCommand {
  func validateScaling() throws {
    let others = [
      ("--compare", compare != nil), ("--thresholds", thresholds != nil),
      ("--set-thresholds", setThresholds), ("--profile", profile), ("--linux", linux),
      ("--page-tables", pageTables != nil), ("--verbose", verbose),
    ]
    if let (flag, _) = others.first(where: \.1) {
      throw ValidationError("\(flag): it does not go together with --scaling")
    }
    for name in only where !ScalingCatalog.names.contains(name) {
      throw ValidationError(
        "--only: --scaling does not measure '\(name)'; it measures "
          + ScalingCatalog.names.joined(separator: ", "))
    }
  }

  func measureScaling() throws {
    if list {
      for name in ScalingCatalog.names { StandardOutput.write(name) }
      return
    }
    let signals = try SignalReceiver()
    defer { signals.stop() }
    let kernel = try KernelLocation()
    try Self.requireBenchmarks(kernel)
    for file in [json, output].compactMap({ $0 }) where file != Self.standardOutput {
      try Self.requireWritable(file)
    }
    let counter = try QEMUPlugin.instructionCounter.path()
    let recorder = try QEMUPlugin.conflictTrace.path()
    try Self.requireQEMU()
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let runner = BenchmarkRunner(
      benchmarks: try Self.image("Benchmarks", kernel),
      helloWorld: try Self.image("Examples/HelloWorld", kernel),
      counter: counter, recorder: recorder, directory: directory)
    var report = ScalingReport(
      facts: .init(root: kernel.root), hostCPUs: ProcessInfo.processInfo.activeProcessorCount)
    let line = StatusLine(isShown: true)
    defer { line.clear() }
    do throws(BenchmarkRunner.Failure) {
      let scaling = ScalingRunner(runner, only: only) { line.show("measuring \($0)") }
      try scaling.measure(into: &report)
    } catch {
      line.clear()
      throw CommandFailure(error)
    }
    line.clear()
    if let json, json != Self.standardOutput { try Self.write(report.json(), to: json) }
    let text = json == Self.standardOutput ? try report.json() : report.text
    if let output { return try Self.write(text, to: output) }
    StandardOutput.write(String(text.dropLast()))
  }
}
