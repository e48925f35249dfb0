import Apus

/// Runs the benchmark that the argument names, or with `--list` prints the names of all; with `--matrix` and
/// names of operations, or none for all, does the matrix of conflicts; with `--scaling`, a factor for the
/// rounds and names, operations on all CPUs; with `--growth`, a name and a number, an operation beside so
/// many things.
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
    let arguments = CommandLine.arguments
    guard arguments.count >= 2 else { fail("give the name of one benchmark") }
    let wanted = arguments[1]
    if wanted.utf8.elementsEqual("--matrix".utf8) { return matrix.run() }
    if wanted.utf8.elementsEqual("--scaling".utf8), arguments.count > 3 {
      return Scaling.run(arguments[3...], factor: Int(arguments[2]) ?? 1)
    }
    if wanted.utf8.elementsEqual("--growth".utf8), arguments.count == 4 {
      guard let size = Int(arguments[3]), let benchmark = Growth.benchmark(arguments[2], size)
      else { fail("there is no benchmark \(arguments[2]) of that size in the image") }
      return benchmark.run()
    }
    guard arguments.count == 2 else { fail("give the name of one benchmark") }
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
