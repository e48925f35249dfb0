import Foundation
import Testing

@testable import ApusCommand
@testable import VirtualMachines

@Suite("Benchmark reports") struct BenchmarkReportTests {
  static let facts = BenchmarkReport.Facts(
    commit: "0123abc", qemu: "QEMU 7.2", swift: "Swift 6.3.1", build: "release",
    machine: "microvm", cpuModel: "max", cpus: 4, memory: "256M", flags: "-icount shift=0")

  static func result(_ name: String, _ value: Double) throws -> BenchmarkReport.Result {
    let benchmark = try #require(BenchmarkCatalog.all.first { $0.name == name })
    return BenchmarkReport.Result(benchmark, value: value)
  }

  static func report() throws -> BenchmarkReport {
    BenchmarkReport(
      facts: facts,
      results: [
        try result("spin-pair", 9), try result("malloc-64-pair", 148.256),
        try result("conflicts-heap", 1), try result("boot-main-4cpu-insns", 101_055),
      ],
      conflicts: [
        ConflictReport(
          name: "conflicts-heap", cold: 7,
          lines: [
            .init(
              address: "0x72000", object: "heap page 0x72000",
              functions: [.init(name: "Heap.free(_:)", readers: [], writers: [0, 3])])
          ])
      ])
  }

  @Test func namesAreUniqueAndCanBeChosen() throws {
    let names = BenchmarkCatalog.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(try BenchmarkCatalog.benchmarks(named: []) == BenchmarkCatalog.all)
    // In the order of the catalog, whatever the order of the flags is, and once.
    #expect(
      try BenchmarkCatalog.benchmarks(named: ["frame-pair", "spin-pair", "frame-pair"]).map(\.name)
        == ["spin-pair", "frame-pair"])
  }

  @Test func anUnknownNameIsAnErrorThatListsTheNames() {
    #expect {
      try BenchmarkCatalog.benchmarks(named: ["spin-pair", "spin-pairs"])
    } throws: { error in
      let text = "\(error)"
      return text.contains("'spin-pairs'")
        && BenchmarkCatalog.all.allSatisfy { text.contains($0.name) }
    }
  }

  @Test func tableHasEveryFigure() throws {
    #expect(
      try Self.report().table() == """
        name                    value  unit           target         peer  linux  met
        spin-pair                   9  instructions       12            8      -  yes
        malloc-64-pair         148.26  instructions       60          260    129   no
        conflicts-heap              1  lines               0            -      -   no
        boot-main-4cpu-insns  101,055  instructions  150,000  100,000,000      -  yes
        conflicts-heap: 7 lines in the first window, when cold

        """)
  }

  @Test func timesStandBesideLinux() throws {
    var report = try Self.report()
    let pair = try #require(BenchmarkCatalog.all.first { $0.name == "malloc-64-pair" })
    report.adopt([300], of: [pair], onLinux: "linux_6.1")
    report.adopt(.init(apus: 10.04, linux: 205.6), of: pair)
    #expect(
      report.table().hasSuffix(
        """
        linux: linux_6.1, 1 CPU; a system call is in what it does

        beside Linux    instructions    ns  linux ns      time
        malloc-64-pair     2.0 times    10       206  20 times

        """))
  }

  @Test func tableShowsTheChange() throws {
    var former = try Self.report()
    former.results = [try Self.result("spin-pair", 8), try Self.result("conflicts-heap", 0)]
    let lines = try Self.report().table(comparedTo: former).split(separator: "\n")
    #expect(lines[0].hasSuffix("met  before   change"))
    #expect(lines[1].hasSuffix("yes       8  +12.5 %"))
    #expect(lines[2].hasSuffix("no       -        -"))
    #expect(lines[3].hasSuffix("no       0   from 0"))
  }

  @Test(arguments: [
    (0, "0"), (9, "9"), (309.4, "309.4"), (0.05, "0.05"), (-1234.5, "-1,234.5"),
    (999, "999"), (1000, "1,000"), (100_000_000, "100,000,000"), (1_000_001.25, "1,000,001.25"),
  ])
  func numbers(_ value: Double, _ text: String) { #expect(BenchmarkReport.text(value) == text) }

  @Test func changes() {
    #expect(BenchmarkReport.change(from: 200, to: 200) == "0 %")
    #expect(BenchmarkReport.change(from: 200, to: 205) == "+2.5 %")
    #expect(BenchmarkReport.change(from: 200, to: 50) == "-75.0 %")
    #expect(BenchmarkReport.change(from: 0, to: 3) == "from 0")
  }

  @Test func jsonHasFactsAndResultsWithAllKeys() throws {
    let json = try Self.report().json()
    #expect(json.hasSuffix("}\n"))
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(Set(object.keys) == ["facts", "results", "conflicts"])
    let results = try #require(object["results"] as? [[String: Any]])
    for result in results {
      let keys = ["name", "value", "unit", "target", "peer", "linux", "time", "met"]
      #expect(Set(result.keys) == Set(keys))
    }
    #expect(results[1]["value"] as? Double == 148.26)
    #expect(results[1]["linux"] as? Double == 129)
    #expect(results[0]["linux"] is NSNull)
  }

  @Test func jsonCanBeReadAgain() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("report")
    try Data(Self.report().json().utf8).write(to: URL(fileURLWithPath: path))
    #expect(try BenchmarkReport(contentsOf: path) == Self.report())
    try Data("[]".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: BenchmarkReport.Unreadable.self) { try BenchmarkReport(contentsOf: path) }
    #expect(throws: BenchmarkReport.Unreadable.self) {
      try BenchmarkReport(contentsOf: directory.path("none"))
    }
  }

  @Test func anotherToolIsADifference() {
    var other = Self.facts
    other.commit = "fedc"
    #expect(Self.facts.difference(from: other) == nil)
    other.memory = "64M"
    #expect(Self.facts.difference(from: other) == "virtual machine")
    other.build = "release, checked"
    #expect(Self.facts.difference(from: other) == "build (release, checked)")
    other.qemu = "QEMU 9"
    #expect(Self.facts.difference(from: other) == "QEMU (QEMU 9)")
  }

  @Test func conflictsAreNamed() throws {
    #expect(
      try Self.report().conflicts[0].text == """
        conflicts-heap: 1 line
          heap page 0x72000: 0x72000
            Heap.free(_:): written by CPU 0, 3

        """)
  }

  @Test func linesThatAreAlikeStandTogether() throws {
    var report = try Self.report().conflicts[0]
    report.lines += [report.lines[0], report.lines[0], report.lines[0]]
    report.lines[1].functions[0].readers = [1]
    report.lines[2].address = "0x72080"
    report.lines[3].object = "stack"
    #expect(
      report.text == """
        conflicts-heap: 4 lines
          heap page 0x72000: 0x72000 0x72080
            Heap.free(_:): written by CPU 0, 3
          heap page 0x72000: 0x72000
            Heap.free(_:): read by CPU 1; written by CPU 0, 3
          stack: 0x72000
            Heap.free(_:): written by CPU 0, 3

        """)
  }

  @Test(arguments: [
    (["bench", "--json"], ["bench", "--json=-"]),
    (["bench", "--json", "a.json"], ["bench", "--json", "a.json"]),
    (["bench", "--json", "-"], ["bench", "--json", "-"]),
    (["bench", "--json", "--only", "x"], ["bench", "--json=-", "--only", "x"]),
    (["bench", "--json=x"], ["bench", "--json=x"]), (["run", "--json"], ["run", "--json"]),
    ([], []),
  ])
  func jsonNeedsNoFile(_ arguments: [String], _ completed: [String]) {
    #expect(BenchCommand.completingFile(of: arguments) == completed)
  }
}
