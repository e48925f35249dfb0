import Apus
import GuestTesting
import Locking
import PhysicalMemory
import VirtualMemory

/// CPUs that use another address space for a while, and addresses that lead to other memory on each CPU.
enum AddressSpaceTests {
  static var suite: TestSuite {
    TestSuite(
      name: "AddressSpaces",
      [
        Test("a CPU sees other memory in another address space, and its own again") { t in
          balanced(t) { withOther(t) { visit(t, $0, CPUSet(.current)) } }
        },
        Test("all CPUs use another address space") { t in
          balanced(t) { withOther(t) { visit(t, $0, .online) } }
        },
        Test("memory of another address space is taken away while CPUs come and go") { t in
          balanced(t) { withOther(t) { takeAway(t, $0) } }
        },
        Test("one address is other memory on each CPU") { t in
          balanced(t) {
            checked(t) { () throws(AddressSpaceError) in
              let local = try CPULocalMapping(byteCount: 3 * 4096)
              let other = try CPULocalMapping(byteCount: 1)
              t.expect(local.byteCount == 3 * 4096 && other.byteCount == 4096, "sizes")
              t.expect(local.address != other.address, "one address twice")
              for round in UInt64(1)...20 {
                CPUSet.online.run { cpu in
                  for _ in 0..<round {
                    local.withUnsafeMutableBytes { bytes in
                      let words = bytes.bindMemory(to: UInt64.self)
                      for page in 0..<3 { words[page * 512 + 511 - page] += UInt64(cpu.index) + 1 }
                    }
                  }
                }
                // In interrupts, too.
                CPUSet.online.interrupt { cpu in
                  UnsafeMutablePointer<UInt64>(bitPattern: other.address)?[0] += UInt64(cpu.index)
                }
              }
              CPUSet.online.run { cpu in
                local.withUnsafeMutableBytes { bytes in
                  let words = bytes.bindMemory(to: UInt64.self)
                  for page in 0..<3 {
                    t.expect(
                      words[page * 512 + 511 - page], equals: 210 * (UInt64(cpu.index) + 1),
                      "page \(page) of CPU \(cpu.index)")
                  }
                  t.expect(words[0], equals: 0, "what nobody wrote")
                }
                other.withUnsafeMutableBytes { bytes in
                  t.expect(bytes.load(as: UInt64.self), equals: 20 * UInt64(cpu.index))
                }
              }
            }
          }
        },
        Test("memory of each CPU's own ends", dies: "nothing is mapped") {
          guard let local = try? CPULocalMapping(byteCount: 4096) else { return }
          UnsafeMutablePointer<UInt64>(bitPattern: local.address + 4096)?.pointee = 1
        },
      ])
  }

  private static func balanced(_ t: TestContext, _ body: () -> Void) {
    FaultTests.balanced(t, body)
  }

  private static func checked(
    _ t: TestContext, _ body: () throws(AddressSpaceError) -> Void
  ) {
    do throws(AddressSpaceError) { try body() } catch { t.fail("\(error)") }
  }

  // MARK: Another address space

  /// An address space beside the application's, with memory at an address where the application has some, too;
  /// and what CPUs find there. All of it lies in memory that is the kernel's.
  private struct Other: @unchecked Sendable {
    static let pageCount: UInt64 = 16

    let space: UnsafeMutablePointer<AddressSpace>
    let failures: UnsafeMutablePointer<Atomic<Int>>

    /// The words of a CPU, one in each page.
    static func word(_ page: UInt64, of cpu: Int) -> UnsafeMutablePointer<UInt64>? {
      UnsafeMutablePointer(bitPattern: UInt(FaultTests.base + page << 12) + UInt(cpu) * 8)
    }

    func expect(_ condition: Bool) {
      if !condition { failures.pointee.wrappingAdd(1, ordering: .relaxed) }
    }
  }

  private static func withOther(_ t: TestContext, _ body: (Other) -> Void) {
    let other = Other(space: .allocate(capacity: 1), failures: .allocate(capacity: 1))
    other.space.initialize(to: AddressSpace())
    other.failures.initialize(to: Atomic(0))
    let byteCount = Other.pageCount << 12
    withUnsafePointer(to: FrameAllocator.shared) { frames in
      do throws(FrameAllocatorError) {
        try other.space.pointee.initialize(
          scheme: AddressSpace.shared.scheme, on: frames, cpuCount: CPUSet.online.count)
      } catch { t.fail("no memory for an address space") }
    }
    FaultTests.withRange(t, byteCount: byteCount) { _ in
      checked(t) { () throws(AddressSpaceError) in
        try other.space.pointee.map(at: FaultTests.base, byteCount: byteCount, .write)
        body(other)
      }
    }
    other.space.pointee.destroy()
    t.expect(other.failures.pointee.load(ordering: .relaxed), equals: 0, "wrong words")
    other.space.deinitialize(count: 1)
    other.space.deallocate()
    other.failures.deinitialize(count: 1)
    other.failures.deallocate()
  }

  /// CPUs write to the same addresses in both address spaces, in turn.
  private static func visit(_ t: TestContext, _ other: Other, _ cpus: CPUSet) {
    for round in UInt64(1)...20 {
      cpus.run { cpu in
        let index = cpu.index
        for page in 0..<Other.pageCount { Other.word(page, of: index)?.pointee = round }
        do throws(AddressSpaceError) {
          try other.space.pointee.run {
            for page in 0..<Other.pageCount {
              guard let word = Other.word(page, of: index) else { return }
              other.expect(word.pointee == (round - 1) * 1000)
              word.pointee = round * 1000
            }
          }
        } catch { t.fail("no memory to change to an address space") }
        for page in 0..<Other.pageCount {
          if Other.word(page, of: index)?.pointee != round {
            t.fail("page \(page) is another one after the way back")
          }
        }
      }
    }
  }

  /// One CPU takes the memory of the other address space away, from outside, while the others visit it: they find
  /// what they have written during the same visit, and before that the same or zero.
  private static func takeAway(_ t: TestContext, _ other: Other) {
    let byteCount = Other.pageCount << 12
    let rounds = 200
    let done = Atomic<Int>(0)
    CPUSet.online.run { cpu in
      let index = cpu.index
      if index == 0 {
        for _ in 0..<rounds {
          checked(t) { () throws(AddressSpaceError) in
            try other.space.pointee.discard(at: FaultTests.base, byteCount: byteCount)
          }
        }
        done.store(1, ordering: .releasing)
        return
      }
      while done.load(ordering: .acquiring) == 0 {
        checked(t) { () throws(AddressSpaceError) in
          try other.space.pointee.run {
            for page in 0..<Other.pageCount {
              guard let word = Other.word(page, of: index) else { return }
              other.expect(word.pointee == 0 || word.pointee == UInt64(index))
              word.pointee = UInt64(index)
            }
          }
        }
      }
    }
    checked(t) { () throws(AddressSpaceError) in
      try other.space.pointee.discard(at: FaultTests.base, byteCount: byteCount)
      try other.space.pointee.run {
        for page in 0..<Other.pageCount { other.expect(Other.word(page, of: 1)?.pointee == 0) }
      }
    }
  }
}
