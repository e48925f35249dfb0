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

/// Short sequences that tell a right address space from one with a certain fault, as the campaign has found
/// and shortened them.
@Suite struct AddressSpaceRegressionTests {
  private static let sequences: [(name: String, bytes: [UInt8])] = [
    // CPU 2 touches a page of a range, and all is unmapped.
    (
      "unmap tells the CPUs that have the page",
      [137, 75, 35, 100, 231, 214, 193, 167, 92, 155, 229, 120, 91, 157, 107, 203]
    ),
    // CPU 1 maps a file as code and reads it, CPU 0 makes it data.
    (
      "protect takes the right to execute away",
      [60, 22, 170, 128, 220, 219, 78, 75, 37, 102, 168, 87, 104, 145, 3, 73]
    ),
    // CPU 2 maps and reads a file, CPU 1 writes to a page of it.
    (
      "copy on write tells the CPUs that read the file",
      [190, 47, 73, 167, 3, 215, 103, 123, 220, 223, 242, 37, 45, 137, 24, 233]
    ),
    // A file that may be written is made code.
    (
      "protect does not make a file's page writable",
      [64, 223, 181, 208, 96, 20, 101, 93, 162, 158, 72, 151, 199, 223, 104, 97]
    ),
    // One frame is left; 2 MiB are mapped, and three pages of it replaced by ones that are filled.
    (
      "a replacement without memory leaves nothing or what was",
      [123, 0, 0, 0, 0, 0, 0, 15, 0, 1, 0, 0, 160, 13, 0, 0, 14, 1, 0, 0, 10, 0, 16, 0]
    ),
    // 1 TiB is mapped, which is everything, and then a device.
    (
      "a device does not fit",
      [182, 113, 142, 103, 253, 225, 222, 251, 65, 72, 222, 217, 195, 122, 149, 251]
    ),
  ]

  @Test func all() async throws {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      for sequence in Self.sequences {
        if let failure = Campaign.run(sequence.bytes) {
          print("\(RandomCampaign.mark)\(sequence.name): \(failure.message)")
        }
      }
      fflush(nil)
      exit(0)
    }
    guard let result else { return }
    for line in String(decoding: result.standardOutputContent, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix(RandomCampaign.mark) {
      Issue.record("\(line)")
    }
  }
}
