import Apus

/// Which closure runs in an interrupt depends on what the program is given.
@main
struct Unknown {
  static func main() {
    let bodies: [@Sendable (CPU) -> Void] = [{ first($0) }, { second($0) }]
    CPUSet.online.interrupt(bodies[CommandLine.arguments.count & 1])
    print(total.load(ordering: .relaxed))
  }
}

private let total = Atomic<Int>(0)

@inline(never)
private func first(_ cpu: CPU) { total.wrappingAdd(cpu.index, ordering: .relaxed) }

@inline(never)
private func second(_ cpu: CPU) { total.wrappingAdd(cpu.index + 1, ordering: .relaxed) }
