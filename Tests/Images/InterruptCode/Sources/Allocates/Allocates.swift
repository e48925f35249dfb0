import Apus

/// Memory is asked for in an interrupt.
@main
struct Allocates {
  static func main() {
    let total = Atomic<Int>(0)
    CPUSet.online.interrupt { cpu in
      var list: [Int] = []
      for number in 0..<cpu.index + 3 { list.append(number) }
      total.wrappingAdd(list.count, ordering: .relaxed)
    }
    print(total.load(ordering: .relaxed))
  }
}
