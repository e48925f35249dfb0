import Foundation
import Synchronization
import TestSupport

/// Random operations for some time.
public enum RandomCampaign {
  /// Stands before the lines that are for the reader, in what a process prints.
  public static let mark = "campaign: "

  /// Runs random operations, from those of `firstSeed` on, and prints what came of it. In a process of
  /// its own, which a failed check of the kernel ends, with the seed in its output.
  public static func run(seconds: Double, firstSeed: UInt64) {
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGALRM] {
      signal(number, reportTrap)
    }
    let end = ContinuousClock.now + .seconds(seconds)
    var seed = firstSeed
    var count = 0
    while ContinuousClock.now < end || seed == firstSeed {
      currentSeed.store(seed, ordering: .relaxed)
      // None takes a second; an operation may not end at all.
      alarm(30)
      let bytes = bytes(of: seed)
      count += bytes.count / 8
      if let failure = Campaign.run(bytes) {
        let shorter = Campaign.shorten(failure)
        report("FAILS  seed \(seed)\n\(shorter)")
        return
      }
      seed += 1
    }
    report("holds  \(seed - firstSeed) sequences from seed \(firstSeed), \(count) operations")
  }

  /// What the operations of a seed are, of a length that depends on it too.
  public static func bytes(of seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    let count = [20, 60, 200, 1000].randomElement(using: &random) ?? 20
    return (0..<count * 8).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  private static func report(_ text: String) {
    for line in text.split(separator: "\n") { print("\(mark)\(line)") }
    fflush(nil)
  }

  private static let currentSeed = Atomic<UInt64>(0)

  private static let reportTrap: @convention(c) (Int32) -> Void = { number in
    // The machine is lost, but the process may still print.
    let seed = currentSeed.load(ordering: .relaxed)
    let step = Campaign.currentStep.load(ordering: .relaxed)
    let bytes = bytes(of: seed).prefix((step + 1) * Operation.byteCount)
    let reason = number == SIGALRM ? "does not end" : "is ended by signal \(number)"
    report(
      "FAILS  seed \(seed)\noperation \(step) \(reason): \(Operation(bytes.suffix(8)))\n\(Array(bytes.suffix(64)))"
    )
    _exit(0)
  }
}
