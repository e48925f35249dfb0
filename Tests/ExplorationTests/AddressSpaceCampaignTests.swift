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
    // A page is read by CPU 2 and unmapped by the same CPU, in a part of a range.
    (
      "unmap tells the CPUs that remember the page",
      [
        204, 82, 82, 20, 127, 188, 91, 98, 225, 215, 242, 9, 177, 121, 110, 92, 141, 185, 17, 30,
        145, 71, 107, 107,
      ]
    ),
    // Code is made data by another CPU.
    (
      "protect takes the right to execute away",
      [
        197, 175, 11, 26, 86, 188, 6, 121, 227, 85, 59, 89, 190, 61, 61, 7, 21, 74, 155, 210, 142,
        170, 240, 202,
      ]
    ),
    // A file's page is read by CPU 2 and written by CPU 1.
    (
      "copy on write tells the CPUs that read the file",
      [190, 47, 73, 167, 3, 215, 103, 123, 220, 223, 242, 37, 45, 137, 24, 233]
    ),
    // A range that may be written and executed, of a file, is made code.
    (
      "protect does not make a file's page writable",
      [
        64, 223, 181, 208, 96, 20, 101, 93, 162, 158, 72, 151, 199, 223, 104, 97,
      ]
    ),
    // A replacement that is to be filled, with one frame of memory.
    (
      "a replacement without memory leaves nothing or what was",
      [
        251, 136, 104, 214, 233, 128, 113, 27, 15, 76, 77, 229, 176, 206, 0, 172, 19, 31, 164, 178,
        149, 217, 155, 49,
      ]
    ),
    // The whole address space is taken but for less than a device needs.
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
