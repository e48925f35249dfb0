import Exploration
import Machine

extension PlantedBugs {
  /// A page is taken out and its frame is used for something else; the other CPU still reads the page
  /// by what it remembers. Right is to wait until it has forgotten, which it says in an interrupt.
  static func staleTranslation(isFixed: Bool) -> Scenario {
    final class Shared {
      let memory = SimulatedMemory(byteCount: 8 * 4096)
      let mmu = SimulatedMMU(cpuCount: 2)
      let hasForgotten = Atomic<UInt32>(0)
      let isUnmapped = Atomic<UInt32>(0)
    }
    let page: UInt64 = 0x40_0000
    return Scenario("Planted/stale-translation") { machine in
      let shared = Shared()
      machine.keep(shared)
      let leaf = shared.memory.mapPage(page, to: 5 * 4096, tables: 1 * 4096)
      shared.memory.store(0x11, at: 5 * 4096)
      shared.mmu.useOnThisThread()
      machine.onInterrupt { _ in
        AddressTranslation.forget(page)
        shared.hasForgotten.store(1, ordering: .releasing)
      }
      machine.cpu {
        AddressTranslation.use(root: 4096)
        shared.memory.store(0, at: leaf)
        AddressTranslation.forget(page)
        Processor.send(.crossCall, to: 1)
        if isFixed {
          while shared.hasForgotten.load(ordering: .acquiring) == 0 { Processor.pause() }
        }
        // The frame is somebody else's from here on.
        shared.memory.store(0x22, at: 5 * 4096)
        shared.isUnmapped.store(1, ordering: .releasing)
      }
      machine.cpu {
        AddressTranslation.use(root: 4096)
        for _ in 0..<3 {
          guard let value = try? shared.mmu.read(page) else { continue }
          machine.check(value == 0x11, "a page that is gone reads \(value), another's data")
        }
      }
    }
  }
}
