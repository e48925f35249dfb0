import Foundation

/// What `apus bench` has measured, and of what.
public struct BenchmarkReport: Equatable, Sendable, Codable {
  /// What the figures depend on.
  public struct Facts: Equatable, Sendable, Codable {
    /// The commit of the kernel's sources, with `-dirty` when they have been changed since.
    public var commit: String
    public var qemu: String
    public var swift: String
    /// `release`, or `release, checked` when the kernel was built with its debug checks.
    public var build: String
    public var machine: String
    public var cpuModel: String
    public var cpus: Int
    public var memory: String
    /// How QEMU executes and counts.
    public var flags: String

    public init(
      commit: String, qemu: String, swift: String, build: String, machine: String,
      cpuModel: String, cpus: Int, memory: String, flags: String
    ) {
      self.commit = commit
      self.qemu = qemu
      self.swift = swift
      self.build = build
      self.machine = machine
      self.cpuModel = cpuModel
      self.cpus = cpus
      self.memory = memory
      self.flags = flags
    }

    /// What else than the kernel is not the same, in a word or two: then counts cannot be compared.
    public func difference(from other: Facts) -> String? {
      if qemu != other.qemu { return "QEMU (\(other.qemu))" }
      if swift != other.swift { return "compiler (\(other.swift))" }
      if build != other.build { return "build (\(other.build))" }
      let machines = [self, other].map {
        [$0.machine, $0.cpuModel, $0.memory, $0.flags, "\($0.cpus)"]
      }
      return machines[0] == machines[1] ? nil : "virtual machine"
    }
  }

  /// One figure.
  public struct Result: Equatable, Sendable, Codable {
    public var name: String
    public var value: Double
    public var unit: String
    public var target: Double?
    public var peer: Double?
    public var linux: Double?
    /// How long it takes, if Linux was measured along with it.
    public var time: Time?

    /// Nanoseconds of the host's processor for one operation, on one CPU, the best of several: they depend
    /// on the host, so that only the ratio says something.
    public struct Time: Equatable, Sendable, Codable {
      public var apus: Double
      public var linux: Double

      public init(apus: Double, linux: Double) {
        self.apus = apus
        self.linux = linux
      }

      /// How much longer Linux takes; nothing where one of them is too short to be measured.
      public var ratio: Double? { min(apus, linux) < 0.1 ? nil : linux / apus }
    }

    /// The figure of a benchmark, to two places after the point.
    public init(_ benchmark: Benchmark, value: Double) {
      name = benchmark.name
      self.value = (value * 100).rounded() / 100
      unit = benchmark.unit
      target = benchmark.target
      peer = benchmark.peer
      linux = benchmark.linux
    }

    /// Whether the figure is as good as it is to be; nothing where there is no goal.
    public var isMet: Bool? {
      target.map { unit == Benchmark.speedUpUnit ? value >= $0 : value <= $0 }
    }

    /// Each key is always there, so that a reader need not ask.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(value, forKey: .value)
      try container.encode(unit, forKey: .unit)
      try container.encode(target, forKey: .target)
      try container.encode(peer, forKey: .peer)
      try container.encode(linux, forKey: .linux)
      try container.encode(time, forKey: .time)
      var derived = encoder.container(keyedBy: DerivedKeys.self)
      try derived.encode(isMet, forKey: .met)
    }

    /// What a reader need not work out, who does not know where more is better.
    private enum DerivedKeys: String, CodingKey { case met }
  }

  public var facts: Facts
  public var results: [Result]
  /// The lines behind the figures of shared lines.
  public var conflicts: [ConflictReport]
  /// The Debian package of the Linux that the figures in the column `linux` are of, if it was measured
  /// along with these; else they are the catalog's.
  public var linux: String?

  public init(facts: Facts, results: [Result] = [], conflicts: [ConflictReport] = []) {
    self.facts = facts
    self.results = results
    self.conflicts = conflicts
  }

  /// A report may have been written before conflicts were recorded.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    facts = try container.decode(Facts.self, forKey: .facts)
    results = try container.decode([Result].self, forKey: .results)
    conflicts = try container.decodeIfPresent([ConflictReport].self, forKey: .conflicts) ?? []
    linux = try container.decodeIfPresent(String.self, forKey: .linux)
  }

  /// Enters what was measured on Linux, in place of the catalog's figures.
  public mutating func adopt(
    _ figures: [Double], of benchmarks: [Benchmark], onLinux package: String
  ) {
    linux = package
    for (benchmark, figure) in zip(benchmarks, figures) {
      for index in results.indices where results[index].name == benchmark.name {
        results[index].linux = (figure * 100).rounded() / 100
      }
    }
  }

  /// Enters how long an operation takes.
  public mutating func adopt(_ time: Result.Time, of benchmark: Benchmark) {
    for index in results.indices where results[index].name == benchmark.name {
      results[index].time = .init(
        apus: (time.apus * 100).rounded() / 100, linux: (time.linux * 100).rounded() / 100)
    }
  }

  /// A file holds no report.
  public struct Unreadable: Error, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String

    public var description: String {
      "\(path) is no report of `apus bench --json`: \(reason)"
    }
  }

  /// Reads a report that `apus bench --json` has written.
  public init(contentsOf path: String) throws(Unreadable) {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw Unreadable(path: path, reason: "the file cannot be read")
    }
    do { self = try JSONDecoder().decode(Self.self, from: data) } catch {
      throw Unreadable(path: path, reason: "it is not the JSON that the command writes")
    }
  }

  /// The report as JSON.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// The report as a table; with a former report also what has changed since.
  public func table(comparedTo former: BenchmarkReport? = nil) -> String {
    var rows = [["name", "value", "unit", "target", "peer", "linux", "met"]]
    if former != nil { rows[0] += ["before", "change"] }
    for result in results {
      var row = [
        result.name, Self.text(result.value), result.unit, Self.text(result.target),
        Self.text(result.peer), Self.text(result.linux),
        result.isMet.map { $0 ? "yes" : "no" } ?? "-",
      ]
      if let former {
        let before = former.results.first { $0.name == result.name }?.value
        row += [Self.text(before), before.map { Self.change(from: $0, to: result.value) } ?? "-"]
      }
      rows.append(row)
    }
    var notes = conflicts.map { "\($0.name): \($0.cold) lines in the first window, when cold\n" }
    if let linux { notes.append("linux: \(linux), 1 CPU; a system call is in what it does\n") }
    return Self.aligned(rows) + notes.joined() + times
  }

  /// What Linux needs as a multiple of what Apus needs, in instructions and in time; empty if no time was
  /// measured.
  private var times: String {
    var rows = [["beside Linux", "instructions", "", "ns", "linux ns", "time"]]
    for result in results {
      guard let time = result.time, let linux = result.linux else { continue }
      rows.append([
        result.name, result.value > 0 ? Self.times(linux / result.value) : "-", "",
        Self.nanoseconds(time.apus), Self.nanoseconds(time.linux),
        time.ratio.map(Self.times) ?? "-",
      ])
    }
    return rows.count == 1 ? "" : "\n" + Self.aligned(rows)
  }

  /// Columns: names and units to the left, numbers to the right.
  private static func aligned(_ rows: [[String]]) -> String {
    TextTable.lines(rows, text: [0, 2]).map { "\($0)\n" }.joined()
  }

  /// A ratio, as `3.1 times`.
  private static func times(_ ratio: Double) -> String {
    String(format: ratio < 1 ? "%.2f times" : ratio < 10 ? "%.1f times" : "%.0f times", ratio)
  }

  /// A time with no more digits than mean something.
  private static func nanoseconds(_ time: Double) -> String {
    text(time < 100 ? (time * 10).rounded() / 10 : time.rounded())
  }

  /// A change in percent, as `+4.9 %`.
  public static func change(from old: Double, to new: Double) -> String {
    if old == new { return "0 %" }
    guard old != 0 else { return "from 0" }
    let percent = (new - old) / old * 100
    return (percent > 0 ? "+" : "") + String(format: "%.1f %%", percent)
  }

  /// A number with groups of three digits and as many places after the point as it needs.
  public static func text(_ value: Double?) -> String {
    guard let value else { return "-" }
    let whole = value.rounded(.towardZero)
    var digits = String(Int(whole.magnitude))
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    let sign = value < 0 ? "-" : ""
    let fraction = Int(((value - whole).magnitude * 100).rounded())
    let places =
      fraction == 0
      ? "" : fraction % 10 == 0 ? ".\(fraction / 10)" : String(format: ".%02d", fraction)
    return sign + ([digits] + groups).joined(separator: ",") + places
  }
}
