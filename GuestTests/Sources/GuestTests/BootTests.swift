import Apus
import GuestTesting

/// What holds when `main` is called.
enum BootTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Boot",
      [
        Test("a CPU runs main") { t in
          t.expect(CPU.count >= 1, "CPU.count is \(CPU.count)")
          t.expect(CPU.current.index, equals: 0, "the CPU that runs main")
        },
        Test("work runs on every CPU", minimumCPUs: 2) { t in
          let ran = Atomic<UInt64>(0)
          CPUSet.online.run { cpu in
            _ = ran.wrappingAdd(1 << UInt64(cpu.index), ordering: .relaxed)
            t.expect(CPU.current.index, equals: cpu.index)
          }
          let all: UInt64 = CPU.count == 64 ? .max : 1 << UInt64(CPU.count) - 1
          t.expect(ran.load(ordering: .relaxed), equals: all, "the set of CPUs that ran")
        },
        Test("a null pointer is fatal", dies: "page fault") {
          let address = UInt(CPU.count - CPU.count + 8)
          UnsafeMutablePointer<UInt64>(bitPattern: address)?.pointee = 1
        },
      ])
  }
}
