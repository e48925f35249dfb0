import Apus
import CProbe
import GuestTesting

/// What must not be possible, and what the report of it says.
enum TrapTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Traps",
      [
        Test(
          "reading through a null pointer",
          dies: "page fault, read of 0x0000000000000010: null pointer"
        ) {
          let value = UnsafePointer<UInt64>(bitPattern: opaque(16))?.pointee
          Console.error("read \(value ?? 0)")
        },
        Test(
          "calling a null pointer",
          dies: "page fault, execution at 0x0000000000000000: null pointer"
        ) {
          probe_call(UInt64(opaque(0)))
        },
        Test("writing to code", dies: "page fault, write to") {
          UnsafeMutablePointer<UInt8>(bitPattern: UInt(probe_code_address()))?.pointee = 0
        },
        Test("writing to constants", dies: "not allowed there") {
          UnsafeMutablePointer<UInt64>(bitPattern: UInt(probe_constant_address()))?.pointee = 0
        },
        Test("executing data", dies: "page fault, execution at") {
          let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
          memory.pointee = 0xC3
          probe_call(UInt64(UInt(bitPattern: memory)))
        },
        Test("executing the stack", dies: "page fault, execution at") {
          var ret: UInt8 = 0xC3
          withUnsafeMutablePointer(to: &ret) { probe_call(UInt64(UInt(bitPattern: $0))) }
        },
        Test("an address that is none", dies: "general protection fault") {
          UnsafeMutablePointer<UInt64>(bitPattern: opaque(0x8000_0000_0000_0000))?.pointee = 1
        },
        Test("overflowing the main stack", dies: "  #1 ") { _ = probe_overflow(0) },
        Test("the report of an overflow is whole", dies: "CPU 1 was at", minimumCPUs: 2) {
          _ = probe_overflow(0)
        },
        Test("an overflow is called one", dies: "stack overflow") { _ = probe_overflow(0) },
        Test("overflowing another CPU's stack", dies: "panic on CPU 1", minimumCPUs: 2) {
          CPUSet(CPU(index: 1)).run { _ in _ = probe_overflow(0) }
        },
        Test("a failed precondition", dies: "a check of Swift's run-time failed") {
          precondition(opaque(1) == 2)
        },
        Test("an index out of range", dies: "invalid opcode") {
          let array = [1, 2, 3]
          Console.error("\(array[Int(opaque(3))])")
        },
        Test("the report says where every CPU was", dies: "CPU 1 was at", minimumCPUs: 2) {
          let others = CPUSet.online.subtracting(.current)
          let spinning = Atomic<Int>(0)
          others.interrupt { _ in _ = spinning.wrappingAdd(1, ordering: .relaxed) }
          CPUSet.online.run { cpu in
            guard cpu.index == 0 else {
              // Not even interrupts reach this one.
              probe_disable_interrupts()
              _ = spinning.wrappingAdd(1, ordering: .relaxed)
              while true { probe_pause() }
            }
            while spinning.load(ordering: .relaxed) < 2 * others.count { probe_pause() }
            fatalError()
          }
        },
        Test("two panics at once", dies: " was at", minimumCPUs: 2) {
          CPUSet.online.run { _ in probe_call(UInt64(opaque(0))) }
        },
        Test("every CPU is set up the same") { t in
          let expected = Registers()
          let supported = probe_cpuid7()
          t.expect(supported & (1 << 7) == 0 || expected.cr4 & (1 << 20) != 0, "SMEP is off")
          t.expect(supported & (1 << 20) == 0 || expected.cr4 & (1 << 21) != 0, "SMAP is off")
          t.expect(supported & (1 << 34) == 0 || expected.cr4 & (1 << 11) != 0, "UMIP is off")
          t.expect(expected.cr0 & (1 << 16) != 0, "WP is off")
          t.expect(expected.efer & (1 << 11) != 0, "NX is off")
          let same = Atomic<Int>(0)
          CPUSet.online.run { cpu in
            let found = Registers()
            t.expect(found.cr0 == expected.cr0, "CR0 of CPU \(cpu.index)")
            // Each CPU has a root table of its own.
            if found.cr3 == expected.cr3 { _ = same.wrappingAdd(1, ordering: .relaxed) }
            t.expect(found.cr4 == expected.cr4, "CR4 of CPU \(cpu.index)")
            t.expect(found.efer == expected.efer, "EFER of CPU \(cpu.index)")
            t.expect(found.idt == expected.idt, "IDT of CPU \(cpu.index)")
            t.expect(probe_flags() & 0x200 != 0, "interrupts are off on CPU \(cpu.index)")
          }
          t.expect(same.load(ordering: .relaxed), equals: 1, "CPUs with this CPU's root")
        },
      ])
  }

  /// A number that the optimiser does not know.
  @inline(never)
  static func opaque(_ value: UInt) -> UInt { value &+ UInt(CPU.count) &- UInt(CPU.count) }

  struct Registers {
    let cr0 = probe_cr0()
    let cr3 = probe_cr3()
    let cr4 = probe_cr4()
    let efer = probe_msr(0xC000_0080)
    let idt = probe_idt_base()
  }
}
