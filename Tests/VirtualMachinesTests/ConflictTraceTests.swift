import ELF
import Foundation
import TestSupport
import Testing

@testable import VirtualMachines

/// The plugin that records cache lines, as far as the host sees it.
@Suite("Conflict traces") struct ConflictTraceTests {
  static let sample = """
    apus-conflict-trace 2
    cpus 4
    window 0 9 90
    window 1 8 80
    window 2 1 2
    window 3 2 2
    access 0 5000 5000 0 1 0 100010 ff
    access 0 5000 5000 1 0 1 100020 ff
    access 1 2000 2000 0 3 0 100010 ff
    access 1 2000 2000 1 3 0 100010 ff
    access 1 4040 4040 2 1 1 100010 ff
    access 1 4040 4040 2 0 1 100018 ff
    access 1 4040 4040 3 1 0 100020 ff
    access 1 9000 100000009000 0 0 1 100030 ff
    access 1 9000 100000009000 3 0 1 100030 ff
    access 1 a000 a000 0 0 1 100030 ff
    access 1 a000 a000 1 0 1 100030 ff
    access 2 200000 200000 0 1 1 100030 ff
    access 2 200000 200000 1 1 1 100030 ff
    end 13

    """

  static func symbols() throws -> SymbolTable {
    var builder = ELFBuilder()
    builder.add(.init(".text", kind: 1, flags: 6, address: 0x100000, content: [0xc3]))
    builder.add(symbols: [
      .init("$s4Heap6secondyyF", at: 0x100010, size: 16), .init("third", at: 0x100020, size: 8),
      .init("benchmark_planted_lines", at: 0x200000, size: 128, info: 0x11),
      .init("small", at: 0x5008, size: 8, info: 0x11),
      .init("smaller", at: 0x5038, size: 16, info: 0x11),
      .init("beyond", at: 0x5048, size: 8, info: 0x11),
    ])
    return SymbolTable(try ELFFile(bytes: builder.bytes, path: "sample").symbols())
  }

  static func measurement(_ text: String = sample) throws -> ConflictMeasurement {
    try ConflictMeasurement(
      output: "conflicts 16384 4\n", trace: try ConflictTrace(parsing: text),
      memory: MemorySize(mebibytes: 1))
  }

  @Test func windowsAndLinesAreRead() throws {
    let trace = try ConflictTrace(parsing: Self.sample)
    #expect(trace.cpus == 4)
    #expect(trace.windows.keys.sorted() == [0, 1, 2, 3])
    #expect(trace.windows[1]?.lines == 8 && trace.windows[1]?.accesses == 80)
    #expect(trace.windows[1]?.shared.map(\.address) == [0x2000, 0x4040, 0x9000, 0xa000])
    #expect(
      trace.windows[1]?.shared[1].accesses == [
        .init(cpu: 2, reads: 1, writes: 1, instruction: 0x100010, bytes: 0xff),
        .init(cpu: 2, reads: 0, writes: 1, instruction: 0x100018, bytes: 0xff),
        .init(cpu: 3, reads: 1, writes: 0, instruction: 0x100020, bytes: 0xff),
      ])
  }

  @Test func aConflictNeedsAWriterAndSomebodyElse() throws {
    func isConflict(_ accesses: [(cpu: Int, reads: UInt64, writes: UInt64)]) -> Bool {
      ConflictTrace.Line(
        address: 0, virtualAddress: 0,
        accesses: accesses.map {
          .init(cpu: $0.cpu, reads: $0.reads, writes: $0.writes, instruction: 1)
        }
      ).isConflict
    }
    #expect(isConflict([(0, 0, 1), (1, 1, 0)]))
    #expect(isConflict([(0, 1, 0), (1, 0, 1)]))
    #expect(isConflict([(0, 0, 1), (1, 0, 1)]))
    #expect(!isConflict([(0, 5, 0), (1, 1, 0), (2, 1, 0)]))
    #expect(!isConflict([(0, 5, 3), (0, 1, 0)]))
    #expect(
      try ConflictTrace(parsing: Self.sample).windows[1]?.conflicts.map(\.address)
        == [0x4040, 0x9000, 0xa000])
  }

  @Test(arguments: [
    "window 1", "access 1 2000 2000 0 3 0", "access 7 2000 2000 0 3 0 100010 ff",
    "access 1 2000 2000 4 3 0 100010 ff", "access 1 xyz 2000 0 3 0 100010 ff", "end 12", "end 14",
    "window 1 2 3", "cpus x", "hello",
  ])
  func malformedLinesAreNamed(_ line: String) {
    let start = "apus-conflict-trace 2\ncpus 4\nwindow 1 8 80\n"
    #expect(throws: ConflictTrace.ReadingError.malformed(line: 4, text: line)) {
      try ConflictTrace(parsing: "\(start)\(line)\n")
    }
  }

  @Test func otherFilesAreRefused() {
    #expect(throws: ConflictTrace.ReadingError.unknownFormat(firstLine: "hello")) {
      try ConflictTrace(parsing: "hello\n")
    }
    #expect(throws: ConflictTrace.ReadingError.incomplete) {
      try ConflictTrace(parsing: "apus-conflict-trace 2\ncpus 4\nwindow 1 8 80\n")
    }
    #expect(throws: ConflictTrace.ReadingError.self) {
      try ConflictTrace(contentsOf: "/nonexistent/trace")
    }
  }

  @Test func linesHaveNames() throws {
    let report = try Self.measurement().report(name: "conflicts-heap", symbols: Self.symbols())
    #expect(report.cold == 1)
    #expect(report.lines.map(\.address) == ["0x4040", "0x9000", "0xa000"])
    #expect(
      report.lines.map(\.object) == ["records of frames 16, 17", "stack", "memory, page 0xa000"])
    #expect(
      report.lines[0].functions == [
        .init(name: "Heap.second()", readers: [2], writers: [2]),
        .init(name: "third", readers: [3], writers: []),
      ])
    #expect(report.lines[1].functions.map(\.name) == ["0x100030"])
  }

  @Test func aPageThatTheHeapTouchesIsTheHeaps() throws {
    let text = Self.sample.replacing(
      "access 1 a000 a000 0 0 1 100030 ff", with: "access 1 a000 a000 0 0 1 100010 ff")
    let report = try Self.measurement(text).report(name: "x", symbols: Self.symbols())
    #expect(report.lines[2].object == "heap page 0xa000")
  }

  /// `small` is at bytes 8 to 15 of the line, `smaller` from byte 56 on.
  @Test(
    arguments: [
      (0xff00, 0xff00, "small"), (0xff00, 0xff00_0000_0000_ff00, "small, on a line with smaller"),
      (0xff00, 0xff00_0000_0000_0000, "small, on a line with smaller; no byte is shared"),
      (0x000f, 0x000f, "small, smaller"),
    ] as [(UInt64, UInt64, String)])
  func whatIsTouchedOfALineIsNamed(_ written: UInt64, _ read: UInt64, _ name: String) throws {
    let line = ConflictTrace.Line(
      address: 0x5000, virtualAddress: 0x5000,
      accesses: [
        .init(cpu: 0, reads: 0, writes: 1, instruction: 1, bytes: written),
        .init(cpu: 1, reads: 1, writes: 0, instruction: 2, bytes: read),
      ])
    let names = ConflictNames(
      symbols: try Self.symbols(), records: .init(start: 0, size: 4, memory: .init(mebibytes: 0)))
    #expect(names.line(line).object == name)
  }

  @Test func allVariablesOfALineAreNamed() throws {
    let symbols = try Self.symbols()
    #expect(symbols.objects(in: 0x5000..<0x5040) == ["small", "smaller"])
    #expect(symbols.objects(in: 0x5040..<0x5080) == ["smaller", "beyond"])
    #expect(symbols.objects(in: 0x4fc0..<0x5000) == [])
  }

  @Test func aRecordingMustFindExactlyWhatWasPlanted() throws {
    let symbols = try Self.symbols()
    #expect(try Self.measurement().flaw(symbols) == nil)
    // Not found.
    let missing = Self.sample.replacing(
      "access 2 200000 200000 1 1 1 100030 ff", with: "access 2 200000 200000 0 1 1 100031 ff")
    #expect(try Self.measurement(missing).flaw(symbols) != nil)
    // Another line instead.
    let other = Self.sample.replacing("200000", with: "200100")
    #expect(try Self.measurement(other).flaw(symbols) != nil)
    // One too many, where there is none.
    let apart = Self.sample.replacing(
      "end 13", with: "access 3 8000 8000 0 0 1 1 ff\naccess 3 8000 8000 1 0 1 1 ff\nend 15")
    #expect(try Self.measurement(apart).flaw(symbols)?.contains("only one CPU writes 1") == true)
  }

  @Test func everyWindowMustHaveBeenEntered() {
    #expect(throws: BenchmarkCounts.Failure.marks("no CPU came into window 3")) {
      try Self.measurement(Self.sample.replacing("window 3 2 2\n", with: ""))
    }
  }

  @Test func thePluginIsToldWhereTheMarksAre() throws {
    let image = try ELFImage(bytes: SampleELF.bytes, path: "sample")
    var configuration = VirtualMachineConfiguration(image: "sample", programName: "sample")
    configuration.conflictTrace = .init(plugin: "/lib/libConflictTrace.so", output: "/tmp/trace")
    #expect(
      try VirtualMachine.check(configuration, image).arguments().contains(
        "/lib/libConflictTrace.so,marks=0x100060,out=/tmp/trace"))
    configuration.accelerator = .kvm
    #expect(
      throws: VirtualMachineError.badConfiguration(
        "cache lines are recorded by TCG only; use --accel tcg")
    ) { try VirtualMachine.check(configuration, image) }
  }
}
