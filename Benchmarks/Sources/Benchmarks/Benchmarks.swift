import Apus

/// Runs the benchmark that the argument names; with `--list` prints the names of all, and with `--matrix` and
/// names of operations, or none for all, does the matrix of conflicts.
@main
struct Benchmarks {
  static var all: [Benchmark] {
    Locks.all + Frames.all + Faults.all + Blocks.all + Ranges.all + Shootdowns.all + Threads.all
      + Blocking.all + DesignBenchmarks.all
  }

  static func main() {
    // On one CPU, for each that maps memory keeps a frame for its own addresses.
    do throws(ThreadError) {
      try Thread.current.setAffinity(CPUSet(CPU(index: 0)))
    } catch { fail("this thread cannot stay on CPU 0") }
    guard CommandLine.arguments.count >= 2 else { fail("give the name of one benchmark") }
    let wanted = CommandLine.arguments[1]
    if wanted.utf8.elementsEqual("--matrix".utf8) { return matrix.run() }
    guard CommandLine.arguments.count == 2 else { fail("give the name of one benchmark") }
    if wanted.utf8.elementsEqual("--list".utf8) {
      for benchmark in all { print(benchmark.name) }
      return
    }
    for benchmark in all where benchmark.name.utf8.elementsEqual(wanted.utf8) {
      return benchmark.run()
    }
    fail("there is no benchmark \(wanted) in the image")
  }

  private static var matrix: ConflictMatrix {
    let names = CommandLine.arguments.dropFirst(2)
    if names.isEmpty { return ConflictMatrix(operations: MatrixOperation.allCases) }
    let operations = MatrixOperation.allCases.filter { operation in
      names.contains { operation.name.isEqual(to: $0) }
    }
    if operations.count != names.count { fail("there is no such operation in the matrix") }
    return ConflictMatrix(operations: operations)
  }

  static func fail(_ message: String) -> Never {
    Console.error(message)
    exit(64)
  }
}
