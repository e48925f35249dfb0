import Apus

/// How deep a function calls itself in an interrupt depends on data.
@main
struct Recurses {
  static func main() {
    let depth = CommandLine.arguments.count
    CPUSet.online.interrupt { cpu in
      total.wrappingAdd(leaves(depth + cpu.index), ordering: .relaxed)
    }
    print(total.load(ordering: .relaxed))
  }
}

private let total = Atomic<Int>(0)

@inline(never)
private func leaves(_ depth: Int) -> Int {
  depth < 2 ? 1 : leaves(depth - 1) &+ leaves(depth - 2)
}
