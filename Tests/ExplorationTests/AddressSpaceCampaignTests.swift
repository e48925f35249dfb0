import AddressSpaceCampaign
import Foundation
import Testing

/// Random operations on address spaces against a reference, and those that found something once.
///
/// `APUS_CAMPAIGN` is how many seconds of random operations there are, 20 without it, and `APUS_SEED`
/// the first seed.
@Suite struct AddressSpaceCampaignTests {
  /// In a process of its own: the machine's mailboxes are those of all simulated machines.
  @Test func agreesWithTheReference() async throws {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let environment = ProcessInfo.processInfo.environment
      let seconds = environment["APUS_CAMPAIGN"].flatMap { Double($0) } ?? 20
      RandomCampaign.run(
        seconds: seconds, firstSeed: environment["APUS_SEED"].flatMap { UInt64($0) } ?? 1)
      exit(0)
    }
    guard let result else { return }
    let report = String(decoding: result.standardOutputContent, as: UTF8.self)
      .split(separator: "\n").filter { $0.hasPrefix(RandomCampaign.mark) }
      .map { $0.dropFirst(RandomCampaign.mark.count) }.joined(separator: "\n")
    if report.hasPrefix("holds") { print(report) } else { Issue.record("\(report)") }
  }
}
