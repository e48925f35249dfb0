/// The instructions of one operation, from the marks that the image of the package `Benchmarks`
/// has passed.
///
/// The image does its work in five runs: a first one that warms up, then `rounds` and twice as many
/// rounds of the work, and the same of the empty loops. What comes with a run and not with a round
/// drops out of the differences, and the empty loops are subtracted.
public struct BenchmarkCounts: Equatable, Sendable {
  /// The marks that the image uses: `Marks` in `Benchmarks/Sources` has the same.
  enum Mark {
    /// The instructions of the CPU that passes it count from here on, and no more after that.
    static let started = 8
    static let stopped = 9
    /// A run begins.
    static let phase = 10
  }

  /// The instructions of each run, all CPUs together.
  public let runs: [UInt64]
  /// The rounds of a short run.
  public let rounds: Int
  /// The operations of a round.
  public let operations: Int

  /// How many runs a benchmark is.
  static let runCount = 5

  /// Why there is no figure.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    /// The image printed something else than what it has measured.
    case output(String)
    /// The marks do not come in the order that makes sense.
    case marks(String)

    public var description: String {
      switch self {
      case .output(let text): "the image printed \"\(text)\" instead of its rounds and operations"
      case .marks(let what): "the image passed its marks in a wrong order: \(what)"
      }
    }
  }

  /// Makes sense of one boot: what the image has printed, and the marks.
  public init(output: String, counts: InstructionCounts) throws(Failure) {
    (rounds, operations) = try Self.rounds(output)
    guard counts.dropped == 0 else { throw .marks("\(counts.dropped) of them were dropped") }
    runs = try Self.runs(counts)
  }

  /// The rounds of a short run and the operations of a round, which the image prints.
  static func rounds(_ output: String) throws(Failure) -> (rounds: Int, operations: Int) {
    let words = output.split(whereSeparator: \.isWhitespace)
    guard words.count == 3, words[0] == "instructions", let rounds = Int(words[1]),
      let operations = Int(words[2]), rounds > 0, operations > 0
    else { throw .output(String(output.prefix(80))) }
    return (rounds, operations)
  }

  private static func runs(_ counts: InstructionCounts) throws(Failure) -> [UInt64] {
    var runs: [UInt64] = []
    var starts = [UInt64?](repeating: nil, count: counts.cpus)
    for event in counts.events {
      let count = event.instructions[event.cpu]
      switch event.mark {
      case Mark.phase:
        guard starts.allSatisfy({ $0 == nil }) else {
          throw .marks("run \(runs.count + 1) begins before the one before it has ended")
        }
        runs.append(0)
      case Mark.started:
        guard !runs.isEmpty, starts[event.cpu] == nil else {
          throw .marks("CPU \(event.cpu) starts twice")
        }
        starts[event.cpu] = count
      case Mark.stopped:
        guard let start = starts[event.cpu] else {
          throw .marks("CPU \(event.cpu) stops without a start")
        }
        runs[runs.count - 1] += count - start
        starts[event.cpu] = nil
      default: break
      }
    }
    guard runs.count == runCount, starts.allSatisfy({ $0 == nil }) else {
      throw .marks("\(runs.count) runs instead of \(runCount)")
    }
    return runs
  }

  /// What times are made of: of each run the shortest of several measurements, which the host disturbed
  /// least.
  init?(shortestOf measurements: [BenchmarkCounts]) {
    guard let first = measurements.first else { return nil }
    self.init(
      runs: first.runs.indices.map { run in measurements.map { $0.runs[run] }.min() ?? 0 },
      rounds: first.rounds, operations: first.operations)
  }

  private init(runs: [UInt64], rounds: Int, operations: Int) {
    (self.runs, self.rounds, self.operations) = (runs, rounds, operations)
  }

  /// The time of one operation: of the long runs only, as the difference of two times that are nearly
  /// the same has little in it but noise.
  var timePerOperation: Double {
    max(0, Double(runs[2]) - Double(runs[4])) / Double(2 * rounds * operations)
  }

  /// The instructions of one operation, without those of the loop around it.
  public var perOperation: Double {
    let work = Double(runs[2]) - Double(runs[1])
    let loops = Double(runs[4]) - Double(runs[3])
    return (work - loops) / Double(rounds * operations)
  }
}
