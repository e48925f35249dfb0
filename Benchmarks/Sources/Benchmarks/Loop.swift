import CBenchmarks

/// How often a benchmark does its work, and whether it does it at all: the empty run has the same
/// loops and costs what is to be subtracted.
struct Run {
  let rounds: Int
  let isEmpty: Bool

  /// The flag for a benchmark that is written in C.
  var emptiness: Int32 { isEmpty ? 1 : 0 }

  /// Does a piece of work in every round.
  ///
  /// The work is compiled into the loop. A count of the rounds that the compiler cannot see through
  /// keeps it from unrolling the loop or from taking anything out of it.
  @inline(__always)
  func callAsFunction(_ work: () -> Void) {
    if isEmpty { loop(rounds) {} } else { loop(rounds, work) }
  }
}

/// Does a piece of work a number of times, at least once.
@inline(__always)
func loop(_ count: Int, _ work: () -> Void) {
  var left = count
  repeat {
    work()
    left = benchmark_opaque(left &- 1)
  } while left != 0
}
