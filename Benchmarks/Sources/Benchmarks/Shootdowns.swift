import Apus
import Machine
import VirtualMemory

/// What CPUs have to do with each other when they use page tables: interrupts, and lines of memory.
enum Shootdowns {
  static var all: [Benchmark] {
    [
      Benchmark("ipis-unmap-private", interrupts: { interruptsForUnmap(otherHolders: 0) }),
      Benchmark("ipis-unmap-held", interrupts: { interruptsForUnmap(otherHolders: 2) }),
      Benchmark(
        "conflicts-fault-apart",
        Sharing(rounds: 5, prepare: mapCommonArea) { own in Shootdowns.touchNextBlock(own) }),
      Benchmark(
        "conflicts-map-apart",
        Sharing(rounds: 50) { _ in
          let start = Ranges.map(Shootdowns.byteCount)
          Ranges.touch(start, Shootdowns.byteCount)
          Ranges.unmap(start, Shootdowns.byteCount)
        }),
    ]
  }

  // MARK: Interrupts

  private static let byteCount: UInt64 = 16 << 12
  private static let rounds = 16

  /// How many interrupts CPU 0 sends to unmap pages that it has touched, and so many CPUs more.
  private static func interruptsForUnmap(otherHolders: Int) -> Int {
    // Threads come and go between the rounds, and their stacks.
    let sum = Atomic<Int>(0)
    for _ in 0..<rounds {
      let start = Ranges.map(byteCount)
      CPUSet.online.run { cpu in
        if cpu.index <= otherHolders { Ranges.touch(start, byteCount) }
      }
      CPUSet.online.run { cpu in
        guard cpu.index == 0 else { return }
        let before = sentByFirstCPU
        Ranges.unmap(start, byteCount)
        sum.wrappingAdd(sentByFirstCPU - before, ordering: .relaxed)
      }
    }
    let sent = sum.load(ordering: .relaxed)
    guard sent % rounds == 0 else { Benchmarks.fail("\(sent) interrupts in \(rounds) rounds") }
    return sent / rounds
  }

  private static var sentByFirstCPU: Int {
    AddressSpace.shared.shootdownCounts(of: CPU(index: 0)).sent
  }

  // MARK: Lines

  /// One area for all CPUs, in one table of pages; some more than is touched.
  private static let area = AddressSpace.lowestAddress + 1 << 38
  private static let areaByteCount: UInt64 = 2 << 20
  private static let blockByteCount: UInt64 = 32 << 10

  private static func mapCommonArea() {
    Areas.map(area, areaByteCount)
    // The table is there before the CPUs come.
    Ranges.touch(area + areaByteCount - 4096, 4096)
    // No CPU has to get frames from where all get them.
    CPUSet.online.run { _ in Frames.fillCache() }
  }

  /// Touches the pages of the next block of this CPU: an entry of the page table takes 8 bytes, so those
  /// of a block have a line of their own.
  private static func touchNextBlock(_ own: UnsafeMutablePointer<UInt>) {
    let block = UInt64(own[0]) * 4 + UInt64(CPU.current.index)
    own[0] += 1
    Ranges.touch(area + block * blockByteCount, blockByteCount)
  }
}
