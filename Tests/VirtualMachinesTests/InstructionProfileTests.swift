import ISRCheck
import Testing

@testable import ApusCommand
@testable import VirtualMachines

@Suite("Instruction profiles") struct InstructionProfileTests {
  static let sample = """
    apus-instruction-profile 1
    count 100010 200
    count 100018 200
    count 100020 1
    count 200000 400
    end 4

    """

  @Test func addressesAndCountsAreRead() throws {
    let profile = try InstructionProfile(parsing: Self.sample, operations: 100)
    #expect(
      profile.counts == [0x100010: 200, 0x100018: 200, 0x100020: 1, 0x200000: 400])
  }

  @Test(arguments: [
    "", "hello", "apus-instruction-profile 1\ncount 1 2\n",
    "apus-instruction-profile 1\ncount 1 2\nend 2\n",
    "apus-instruction-profile 1\ncount xyz 2\nend 1\n",
    "apus-instruction-profile 1\ncount 1 2\ncount 1 2\nend 2\n",
  ])
  func whatIsNoProfileIsRefused(_ text: String) {
    #expect(throws: InstructionProfile.Unusable.self) {
      try InstructionProfile(parsing: text, operations: 1)
    }
  }

  @Test func instructionsAreSummedByLineAndFunction() throws {
    let profile = try InstructionProfile(parsing: Self.sample, operations: 100)
    let lines = [
      UInt64(0x100010): SourceLine(file: "Sources/A.swift", line: 7),
      0x100018: SourceLine(file: "Sources/A.swift", line: 7, column: 3),
      0x100020: SourceLine(file: "Sources/LongName.swift", line: 70),
    ]
    let text = BenchmarkProfile(profile, lines: lines) { $0 < 0x200000 ? "take" : nil }
      .text(name: "frame-pair")
    #expect(
      text == """
        frame-pair: 8.01 instructions with those of the loop
             4  ?                          ?
             4  Sources/A.swift:7          take
          0.01  Sources/LongName.swift:70  take

        """)
  }

  @Test func thePluginIsToldWhereTheMarksAre() throws {
    let image = try ELFImage(bytes: SampleELF.bytes, path: "sample")
    var configuration = VirtualMachineConfiguration(image: "sample", programName: "sample")
    configuration.instructionProfile = .init(plugin: "/lib/profile.so", output: "/tmp/profile")
    #expect(
      try VirtualMachine.check(configuration, image).arguments().contains(
        "/lib/profile.so,marks=0x100060,phase=0x3,out=/tmp/profile"))
    configuration.accelerator = .kvm
    #expect(throws: VirtualMachineError.self) { try VirtualMachine.check(configuration, image) }
  }
}
