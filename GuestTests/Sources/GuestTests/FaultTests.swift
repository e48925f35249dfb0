import Apus
import CProbe
import GuestTesting
import Locking
import Machine
import PhysicalMemory
import VirtualMemory

/// Memory that comes with the first access, and what becomes of accesses to other memory.
enum FaultTests {
  static var suite: TestSuite {
    #if CHECKED
    let tests = tests + checkedTests
    #endif
    return TestSuite(name: "Faults", tests)
  }

  private static var tests: [Test] {
    [
      Test("memory comes with the first access, and is zero") { t in
        balanced(t) {
          withRange(t, byteCount: 4 << 20) { words in
            let touched = Memory.freeByteCount
            for page in 0..<1024 {
              t.expect(words[page * 512 + page % 512], equals: 0, "page \(page)")
              words[page * 512] = UInt64(page)
            }
            for page in 0..<1024 { t.expect(words[page * 512], equals: UInt64(page)) }
            t.expect(touched - Memory.freeByteCount >= 4 << 20, "no memory was used")
          }
        }
      },
      Test("all CPUs touch the same pages at once") { t in
        balanced(t) {
          withRange(t, byteCount: 256 << 12) { words in
            let address = UInt(bitPattern: words)
            CPUSet.online.run { cpu in
              guard let words = UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: address) else {
                return
              }
              for page in 0..<256 { words[page * 512].wrappingAdd(1, ordering: .relaxed) }
            }
            for page in 0..<256 {
              t.expect(words[page * 512], equals: UInt64(CPUSet.online.count), "page \(page)")
            }
          }
        }
      },
      Test("a CPU that is idle zeroes frames for its next faults") { t in
        balanced(t) {
          withRange(t, byteCount: 48 << 12) { words in
            let address = UInt(bitPattern: words)
            for cpu in CPUSet.online { CPUSet(cpu).run { zeroedWhileIdle(t, address, $0) } }
          }
        }
      },
      Test("tables go with the memory that they are for") { t in
        withRange(t, byteCount: 4096) { $0.pointee = 1 }
        let before = settledFreeByteCount()
        for round in 0..<3 {
          withRange(t, byteCount: 4096) { words in
            words.pointee = 1
            for _ in 0..<4 {
              let start = base + 1 << 20
              do throws(AddressSpaceError) {
                try AddressSpace.shared.map(at: start, byteCount: 16 << 12, .write)
                for page in 0..<16 {
                  UnsafeMutablePointer<UInt64>(bitPattern: UInt(start) + UInt(page << 12))?
                    .pointee = 1
                }
                try AddressSpace.shared.unmap(at: start, byteCount: 16 << 12)
              } catch { t.fail("an operation on a range fails") }
            }
          }
          t.expect(settledFreeByteCount(), equals: before, "free bytes, round \(round)")
        }
      },
      Test("faults leave all registers alone") { t in
        withRange(t, byteCount: 64 << 12) { words in
          for page in 0..<64 {
            let line = probe_fault_registers(UInt64(UInt(bitPattern: words + page * 512)))
            t.expect(line == 0, "register \(line)")
          }
        }
      },
      Test("interrupts are as they were in a fault") { t in
        withRange(t, byteCount: 2 << 12) { words in
          words[0] = 1
          t.expect(probe_flags() & 0x200 != 0, "interrupts are off after a fault")
          probe_disable_interrupts()
          words[512] = 1
          let flags = probe_flags()
          probe_enable_interrupts()
          t.expect(flags & 0x200 == 0, "interrupts are on after a fault")
        }
      },
      Test("reading what is not mapped", dies: "read of 0x0000204000000010: nothing is mapped") {
        let value = UnsafePointer<UInt64>(bitPattern: 0x2040_0000_0010)?.pointee
        Console.error("read \(value ?? 0)")
      },
      Test("reading what was mapped", dies: "nothing is mapped") {
        try? AddressSpace.shared.map(at: base, byteCount: 4096, .write)
        let word = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base))
        word?.pointee = 1
        try? AddressSpace.shared.unmap(at: base, byteCount: 4096)
        Console.error("read \(word?.pointee ?? 0)")
      },
      Test("writing to memory that is to be read", dies: "write to 0x0000204000001000: ") {
        try? AddressSpace.shared.map(at: base, byteCount: 8192, [])
        let word = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base) + 4096)
        Console.error("read \(word?.pointee ?? 1)")
        word?.pointee = 1
      },
      Test("executing memory that is to be written", dies: "execution at 0x0000204000000000: ") {
        try? AddressSpace.shared.map(at: base, byteCount: 4096, .write)
        UnsafeMutablePointer<UInt8>(bitPattern: UInt(base))?.pointee = 0xC3
        probe_call(base)
      },
      Test("the report names the area", dies: "in an area r--: numbers") {
        try? AddressSpace.shared.map(
          at: base, byteCount: 4096, [], as: AreaKind(.anonymous, named: "numbers"))
        UnsafeMutablePointer<UInt64>(bitPattern: UInt(base))?.pointee = 1
      },
      Test("stacks grow when they are used") { t in
        // The stack of this thread keeps its pages.
        _ = probe_deep(100_000 / 256, 0)
        let before = settledFreeByteCount()
        CPUSet.online.run { cpu in
          let sum = probe_deep(100_000 / 256, UInt64(cpu.index))
          if sum != 100_000 / 256 * UInt64(cpu.index) { t.fail("\(sum) on CPU \(cpu.index)") }
        }
        t.expect(settledFreeByteCount(), equals: before, "free bytes")
      },
      Test("a stack grows with interrupts off, and with a lock held") { t in
        let threads = (0..<4).compactMap { _ in
          try? Thread.spawn {
            Processor.withInterruptsDisabled {
              if probe_deep(100, 1) != 100 { t.fail("with interrupts off") }
            }
            Self.sums.withLock { $0 += probe_deep(200, 1) }
          }
        }
        for thread in threads { thread.join() }
        t.expect(Self.sums.withLock { $0 }, equals: 800)
      },
      Test("a thread's stack overflows", dies: "stack overflow") {
        try? Thread.spawn { _ = probe_overflow(0) }.join()
      },
      Test("the report of an overflow names the stack", dies: "in an area ---, below a stack") {
        try? Thread.spawn(name: "deep") { _ = probe_overflow(0) }.join()
      },
      Test("the report of an overflow names the function", dies: "probe_overflow") {
        try? Thread.spawn(stackSize: 4096) { _ = probe_overflow(0) }.join()
      },
      Test("ten thousand threads with stacks of 4 KiB") { t in
        balanced(t) {
          let before = Memory.freeByteCount
          var threads: [Thread] = []
          for _ in 0..<10_000 {
            do throws(ThreadError) {
              threads.append(try Thread.spawn(stackSize: 4096) { Self.gate.wait() })
            } catch { t.fail("thread \(threads.count) cannot be made") }
          }
          let used = before - Memory.freeByteCount
          t.expect(used < 60 << 20, "\(used) bytes for 10,000 threads")
          for _ in threads { Self.gate.signal() }
          for thread in threads { thread.join() }
          threads = []
        }
      },
      Test("more memory than there is", dies: "out of memory") {
        let byteCount = (UInt64(Memory.usableByteCount) + 4095) & ~4095
        try? AddressSpace.shared.map(at: base, byteCount: byteCount, .write)
        for page in 0..<byteCount / 4096 {
          UnsafeMutablePointer<UInt64>(bitPattern: UInt(base + page * 4096))?.pointee = 1
        }
      },
    ]
  }

  #if CHECKED
  /// What only checked images find.
  private static var checkedTests: [Test] {
    [
      Test(
        "a fault in an interrupt handler",
        dies: "in an interrupt handler, where no page may be missing", minimumCPUs: 2
      ) {
        // A page for each CPU: this one, which is not interrupted, may take its own before others come.
        guard let memory = try? MemoryMapping(byteCount: 4096 * CPUSet.online.count) else { return }
        let address = memory.address
        CPUSet.online.interrupt { cpu in
          UnsafeMutablePointer<UInt64>(bitPattern: address + UInt(cpu.index) * 4096)?.pointee = 1
        }
      },
      Test("a fault with a lock held", dies: "with a spin lock held, where no page may be missing")
      {
        guard let memory = try? MemoryMapping(byteCount: 4096) else { return }
        sums.withLock { _ in
          UnsafeMutablePointer<UInt64>(bitPattern: memory.address)?.pointee = 1
        }
      },
      Test("memory that is there may be used in both") { t in
        guard let memory = try? MemoryMapping(byteCount: 4096, options: .populate) else {
          return t.fail("no memory")
        }
        let address = memory.address
        // Not every CPU has it in its tables.
        CPUSet.online.interrupt { cpu in
          UnsafeMutablePointer<UInt64>(bitPattern: address)?[cpu.index] = 1
        }
        CPUSet.online.run { cpu in
          sums.withLock { _ in
            UnsafeMutablePointer<UInt64>(bitPattern: address)?[cpu.index] += 1
          }
        }
        for cpu in CPUSet.online {
          t.expect(UnsafePointer<UInt64>(bitPattern: address)?[cpu.index] == 2, "CPU \(cpu.index)")
        }
      },
    ]
  }
  #endif

  /// Uses 32 pages, gives them back as they are, and lets the CPU be idle: it has 16 frames zeroed then, not
  /// more, and those are what it touches next.
  private static func zeroedWhileIdle(_ t: TestContext, _ address: UInt, _ cpu: CPU) {
    guard let words = UnsafeMutablePointer<UInt64>(bitPattern: address) else { return }
    for page in 0..<32 {
      for word in 0..<512 { words[page * 512 + word] = ~0 }
    }
    try? AddressSpace.shared.discard(at: UInt64(address), byteCount: 32 << 12)
    // Pages in a row went back as blocks; it zeroes single frames that it has at hand.
    let frames = (0..<32).compactMap { _ in try? FrameAllocator.shared.allocate() }
    for frame in frames { FrameAllocator.shared.free(frame) }
    var before = zeroed(cpu)
    // An idle machine needs some microseconds; other threads and the host may be in its way.
    for _ in 0..<1000 where before.cached < 16 {
      sleep(nanoseconds: 1_000_000)
      before = zeroed(cpu)
    }
    t.expect(before.cached, equals: 16, "frames that CPU \(cpu.index) has zeroed")
    for page in 0..<16 {
      for word in 0..<512 where words[page * 512 + word] != 0 {
        t.fail("page \(page) of CPU \(cpu.index) is not zero")
        break
      }
    }
    let after = zeroed(cpu)
    t.expect(after.allocations - before.allocations, equals: 16, "faults with such a frame")
    try? AddressSpace.shared.discard(at: UInt64(address), byteCount: 48 << 12)
  }

  private static func zeroed(_ cpu: CPU) -> FrameCacheStatistics.Size {
    FrameAllocator.shared.statistics(of: cpu)?.sizes[5] ?? FrameCacheStatistics.Size()
  }

  /// In the middle of the first CPU's part, where nothing is mapped without being asked for.
  static let base = AddressSpace.lowestAddress + 1 << 38

  /// Does something twice: after the second time as much memory is free as after the first, which leaves
  /// behind what stays, such as tables of CPUs' own parts and pages of this stack.
  static func balanced(_ t: TestContext, _ body: () -> Void) {
    body()
    let before = settledFreeByteCount()
    body()
    t.expect(settledFreeByteCount(), equals: before, "free bytes")
  }

  static func settledFreeByteCount() -> Int {
    // Pages of this stack stay.
    _ = probe_deep(256, 0)
    Memory.reclaim()
    return Memory.freeByteCount
  }

  private static let sums = SpinLock<StackLock, UInt64>(0)
  private static let gate = Semaphore(0)

  enum StackLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = OutputLevel
    static var name: StaticString { "stack" }
  }

  /// Runs `body` with memory at a fixed place.
  static func withRange(
    _ t: TestContext, byteCount: UInt64, _ body: (UnsafeMutablePointer<UInt64>) -> Void
  ) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.map(at: base, byteCount: byteCount, .write)
      if let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base)) { body(words) }
      try AddressSpace.shared.unmap(at: base, byteCount: byteCount)
    } catch {
      t.fail("an operation on a range fails")
    }
  }
}
