import Foundation

/// The figures that the repository knows, above which a figure may not rise.
public struct BenchmarkThresholds: Equatable, Sendable {
  /// The part by which a figure may be higher.
  public static let tolerance = 0.02

  /// The known figures by the benchmarks' names.
  public var values: [String: Double]

  public init(_ values: [String: Double]) { self.values = values }

  /// The file cannot be used.
  public struct Unusable: Error, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String

    public var description: String { "the thresholds \(path) cannot be used: \(reason)" }
  }

  /// Reads them from a file: one JSON object of names and numbers.
  public init(contentsOf path: String) throws(Unusable) {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw Unusable(path: path, reason: "the file cannot be read")
    }
    do { values = try JSONDecoder().decode([String: Double].self, from: data) } catch {
      throw Unusable(path: path, reason: "it is not a JSON object of names and numbers")
    }
  }

  /// Writes them to a file, a line for each, in the order of the names.
  public func write(to path: String) throws(Unusable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    do {
      let data = try encoder.encode(values) + Data("\n".utf8)
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Unusable(path: path, reason: "the file cannot be written")
    }
  }

  /// What the thresholds say about a figure.
  public enum Verdict: Equatable, Sendable {
    case kept
    /// The figure is higher than it may be.
    case rose(from: Double)
    /// The figure is so much lower that the threshold can be lowered.
    case fell(from: Double)
    /// There is no threshold of that name.
    case unknown
  }

  /// Compares a figure with its threshold; one that depends on the host has none.
  public func verdict(on result: BenchmarkReport.Result) -> Verdict {
    guard Self.applies(to: result) else { return .kept }
    guard let known = values[result.name] else { return .unknown }
    if result.value > known * (1 + Self.tolerance) { return .rose(from: known) }
    if result.value < known * (1 - Self.tolerance) { return .fell(from: known) }
    return .kept
  }

  /// Takes the figures of a report for the new thresholds; others stay as they are.
  public mutating func adopt(_ results: [BenchmarkReport.Result]) {
    for result in results where Self.applies(to: result) { values[result.name] = result.value }
  }

  private static func applies(to result: BenchmarkReport.Result) -> Bool {
    BenchmarkCatalog.all.first { $0.name == result.name }?.isExact ?? true
  }
}
