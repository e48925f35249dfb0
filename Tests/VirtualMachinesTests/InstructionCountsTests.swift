import Foundation
import Testing
import VirtualMachines

@Suite("Instruction counts")
struct InstructionCountsTests {
  static let sample = """
    apus-instruction-counts 1
    cpus 2
    event 0 0 15000 0
    event 1 0 21000 3000
    event 8 1 22000 3500
    event 8 0 23000 4500
    event 2 0 30000 9000
    total 30005 9001

    """

  func parse(_ text: String) throws -> InstructionCounts {
    try InstructionCounts(parsing: Array(text.utf8))
  }

  @Test("parses events and totals") func parses() throws {
    let counts = try parse(Self.sample)
    #expect(counts.cpus == 2)
    #expect(counts.events.map(\.mark) == [0, 1, 8, 8, 2])
    #expect(counts.events.map(\.cpu) == [0, 0, 1, 0, 0])
    #expect(counts.events[2].instructions == [22000, 3500])
    #expect(counts.dropped == 0)
    #expect(counts.total == [30005, 9001])
  }

  @Test("takes the difference between two marks for each CPU") func between() throws {
    let counts = try parse(Self.sample)
    #expect(
      counts.instructions(from: InstructionCounts.entry, to: InstructionCounts.main)
        == [6000, 3000])
    #expect(counts.instructions(from: 8, to: 8) == [1000, 1000])
    #expect(counts.instructions(from: 2, to: 0) == nil)
    #expect(counts.instructions(from: 9, to: 2) == nil)
    #expect(counts.instructions(from: 2, to: 2) == nil)
  }

  @Test("says how many marks were dropped") func dropped() throws {
    let text = "apus-instruction-counts 1\ncpus 1\nevent 0 0 7\ndropped 12\ntotal 99\n"
    #expect(try parse(text).dropped == 12)
  }

  @Test("encodes as JSON") func encodes() throws {
    let text = "apus-instruction-counts 1\ncpus 1\nevent 0 0 7\ntotal 99\n"
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let json = String(decoding: try encoder.encode(try parse(text)), as: UTF8.self)
    #expect(
      json
        == #"{"cpus":1,"dropped":0,"events":[{"cpu":0,"instructions":[7],"mark":0}],"total":[99]}"#
    )
  }

  @Test("refuses another format") func otherFormat() {
    for text in ["", "apus-instruction-counts 2\ncpus 1\ntotal 1\n", "# counts\n"] {
      #expect(
        throws: InstructionCountsError.unknownFormat(
          firstLine: String(text.prefix { $0 != "\n" }))
      ) { try parse(text) }
    }
  }

  @Test("refuses a file without its end") func incomplete() {
    #expect(throws: InstructionCountsError.incomplete) {
      try parse("apus-instruction-counts 1")
    }
    #expect(throws: InstructionCountsError.malformed(line: 3, text: "")) {
      try parse("apus-instruction-counts 1\ncpus 2\n")
    }
    #expect(throws: InstructionCountsError.incomplete) {
      try parse("apus-instruction-counts 1\ncpus 2\nevent 0 0 1 2")
    }
  }

  @Test(
    "refuses malformed lines and names them",
    arguments: [
      "cpus 0", "cpus 2 2", "cpus -1", "cpus two", "cpus 99999999999", "event 0 0 1", "total 1",
    ])
  func malformedStart(line: String) {
    #expect(throws: InstructionCountsError.malformed(line: 2, text: line)) {
      try parse("apus-instruction-counts 1\n\(line)\ntotal 1\n")
    }
  }

  @Test(
    "refuses malformed records and names them",
    arguments: [
      "event 64 0 1 2", "event 0 2 1 2", "event 0 0 1", "event 0 0 1 2 3", "event 0 0 1  2",
      "event 0 0 1 18446744073709551616", "event 0 0 1 0x2", "dropped", "total 1", "tolal 1 2",
      "event 0 0 1 2 ",
    ])
  func malformedRecord(line: String) {
    #expect(throws: InstructionCountsError.malformed(line: 3, text: line)) {
      try parse("apus-instruction-counts 1\ncpus 2\n\(line)\ntotal 1 2\n")
    }
  }

  @Test("names a file that cannot be read") func unreadable() {
    #expect {
      try InstructionCounts(contentsOf: "/nonexistent/counts")
    } throws: { error in
      "\(error)".contains("/nonexistent/counts")
    }
  }
}
