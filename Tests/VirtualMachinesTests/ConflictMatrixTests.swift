import ELF
import Foundation
import TestSupport
import Testing

@testable import VirtualMachines

/// The matrix of conflicts, as far as the host makes it.
@Suite("Conflict matrix") struct ConflictMatrixTests {
  static let output = """
    records 16384 4
    window control together
    window control apart
    window apus apart fault fault
    window apus equal fault map
    window locked-areas apart fault map

    """

  static let sample = """
    apus-conflict-trace 2
    cpus 4
    window 0 1 2
    window 1 2 2
    window 2 9 90
    window 3 8 80
    window 4 8 80
    access 0 200000 200000 0 1 1 100030 ff
    access 0 200000 200000 1 1 1 100030 ff
    access 2 2000 2000 0 1 1 100010 ff
    access 2 2000 2000 2 1 0 100010 ff
    access 3 2000 2000 0 1 1 100010 ff
    access 3 2000 2000 2 1 1 100010 ff
    access 3 4040 4040 1 1 1 100010 ff
    access 3 4040 4040 2 1 0 100020 ff
    end 8

    """

  static func boot(_ output: String = output, _ trace: String = sample) throws -> MatrixTrace {
    try MatrixTrace(
      output: output, trace: try ConflictTrace(parsing: trace), pageTables: .perCPU,
      memory: MemorySize(mebibytes: 1))
  }

  static func matrix() throws -> ConflictMatrix {
    let facts = BenchmarkReport.Facts(
      commit: "c", qemu: "q", swift: "s", build: "release", machine: "m", cpuModel: "p", cpus: 4,
      memory: "1M", flags: "f")
    var matrix = ConflictMatrix(facts: facts, operations: ["map", "fault"])
    matrix.add(try boot(), symbols: try ConflictTraceTests.symbols()) { address in
      address == 0x100020 ? "Sources/VirtualMemory/TablePage.swift:9" : nil
    }
    return matrix
  }

  @Test func cellsAreWhatTheImageSaid() throws {
    let matrix = try Self.matrix()
    #expect(matrix.operations == ["fault", "map"])
    #expect(matrix.tables.map(\.design) == [.apus, .apus, .lockedAreas])
    #expect(matrix.tables.map(\.arguments) == [.apart, .equal, .apart])
    #expect(matrix.tables.allSatisfy { $0.cpus == 4 && $0.pageTables == "per-cpu" })
    #expect(matrix.tables.map { $0.cells.map(\.conflicts) } == [[1], [1], [0]])
    #expect(matrix.tables.map { $0.cells[0].commute } == [true, false, true])
  }

  /// CPUs 0 and 2 do the same operation: what they share is found in the cell of that operation with itself.
  @Test func onlyCPUsThatDoDifferentThingsMeetInACellOfTwo() throws {
    let matrix = try Self.matrix()
    #expect(matrix.tables[0].cells[0].lines.map(\.address) == ["0x2000"])
    #expect(matrix.tables[1].cells[0].lines.map(\.address) == ["0x4040"])
  }

  @Test func linesHaveNamesAndPlaces() throws {
    let line = try Self.matrix().tables[1].cells[0].lines[0]
    #expect(line.object == "lock of a page table, in records of frames 16, 17")
    #expect(line.functions.map(\.name) == ["Heap.second()", "third"])
    #expect(line.functions.map(\.places) == [[], ["Sources/VirtualMemory/TablePage.swift:9"]])
  }

  @Test func linesThatTheSameCodeTouchesStandTogether() {
    func line(_ object: String, _ reader: Int, _ place: String) -> ConflictReport.Line {
      .init(
        address: "0x0", object: object,
        functions: [.init(name: "f", readers: [reader], writers: [0], places: [place])])
    }
    let lines = [
      line("a", 1, "x:1"), line("b", 2, "x:1"), line("c", 1, "x:2"), line("c", 1, "x:2"),
    ]
    let cell = ConflictMatrix.Cell(
      first: "map", second: "map", commute: true, conflicts: 4, lines: lines)
    #expect(
      cell.groups.map(\.text) == [
        "  4 lines: a; b; and 1 alike\n    f (x:1, x:2): read by CPU 1, 2; written by CPU 0\n"
      ])
  }

  /// The image may say it anywhere between its windows.
  @Test func memoryHasTheNameThatTheImageSays() throws {
    let said = Self.output + "object 8192 100 record of a thread\nobject 8292 4 another\n"
    let boot = try Self.boot(said)
    #expect(boot.windows == (try Self.boot().windows))
    let names = ConflictNames(
      symbols: try ConflictTraceTests.symbols(), records: boot.records, objects: boot.objects)
    #expect(names.line(boot.conflicts(boot.windows[0])[0]).object == "record of a thread")
    #expect(NamedMemory(line: "object 1 x name") == nil)
  }

  @Test func findingsCommuteAndMeetAllTheSame() throws {
    let findings = try Self.matrix().findings
    #expect(findings.map(\.cell.first) == ["fault"])
    #expect(findings.map(\.table.arguments) == [.apart])
  }

  @Test func theTextHasATriangleForEachTable() throws {
    let text = try Self.matrix().text(verbose: false)
    #expect(
      text.hasPrefix(
        """
        Apus, 4 CPUs, tables per CPU, each its own: 0 of 1 pairs that commute share no line
                         fault
        fault                1

        fault / fault: 1 line
          1 line: heap page 0x2000
            Heap.second(): read by CPU 0, 2; written by CPU 0

        """))
    #expect(
      text.contains("\n                 fault   map\nfault\nmap                (1)\n\nLocked"))
    #expect(!text.contains("fault / map"))
    let verbose = try Self.matrix().text(verbose: true)
    #expect(
      verbose.contains(
        """

        fault / map: 1 line
          1 line: lock of a page table, in records of frames 16, 17
            Heap.second(): read by CPU 1; written by CPU 1
            third (Sources/VirtualMemory/TablePage.swift:9): read by CPU 2

        """))
  }

  @Test(arguments: [
    ("fault", "map", ConflictMatrix.Arguments.apart, true), ("fault", "map", .near, true),
    ("fault", "map", .equal, false), ("fault", "fault", .equal, true),
    ("map", "map", .equal, false), ("query", "query", .equal, true),
    ("query", "unmap", .equal, false), ("spawn", "spawn", .equal, false),
    ("lock", "lock", .equal, false), ("lock", "lock", .apart, true),
  ])
  func whatCommutes(
    _ first: String, _ second: String, _ arguments: ConflictMatrix.Arguments, _ commute: Bool
  ) {
    #expect(ConflictMatrix.commute(first, second, arguments) == commute)
  }

  @Test func aRecordingMustFindExactlyWhatWasPlanted() throws {
    let symbols = try ConflictTraceTests.symbols()
    try Self.boot().check(symbols)
    let missing = Self.sample.replacing(
      "access 0 200000 200000 1 1 1 100030 ff", with: "access 0 200000 200000 0 1 1 100031 ff")
    #expect(throws: MatrixTrace.Flaw.wrongPlanted(together: 0, apart: 0, objects: [])) {
      try Self.boot(Self.output, missing).check(symbols)
    }
  }

  @Test func whatIsNotTheMatrixIsRefused() throws {
    for (old, new) in [
      ("records", "conflicts"), ("control together", "control apart"), ("apus apart", "apus far"),
      ("fault fault", "fault sing"), ("fault fault", "fault"),
    ] {
      #expect(throws: MatrixTrace.Flaw.self) {
        try Self.boot(Self.output.replacing(old, with: new))
      }
    }
    let missed = Self.sample.replacing("window 4 8 80\n", with: "")
    #expect(throws: MatrixTrace.Flaw.missed(4)) { try Self.boot(Self.output, missed) }
  }

  @Test func aMatrixIsTheSameAfterJSON() throws {
    let matrix = try Self.matrix()
    let data = Data(try matrix.json().utf8)
    #expect(try JSONDecoder().decode(ConflictMatrix.self, from: data) == matrix)
  }
}
