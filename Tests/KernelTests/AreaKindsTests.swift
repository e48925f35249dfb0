import Boot
import Machine
import PhysicalMemory
import Testing

@testable import VirtualMemory

private func kind(_ number: Int) -> AreaKind {
  AreaKind(.anonymous, named: AreaName("kind \(number)"))
}

extension SimulatedMachine {
  @Suite struct AreaKindsTests {
    let fixture = FrameFixture(usable: [
      PhysicalRange(start: SimulatedMachine.spare.start.rawValue, byteCount: 64 * 4096)
    ])

    private func withFrames<Result>(_ body: (UnsafePointer<FrameAllocator>) throws -> Result)
      rethrows
      -> Result
    {
      try withUnsafePointer(to: fixture.allocator) { try body($0) }
    }

    @Test func equalKindsHaveOneNumber() throws {
      let kinds = AreaKinds()
      let file = AreaKind(
        .file(PhysicalContents(start: 1 << 20, byteCount: 5, at: 1 << 39)), named: "f")
      let other = AreaKind(
        .file(PhysicalContents(start: 1 << 20, byteCount: 6, at: 1 << 39)), named: "f")
      try withFrames { frames in
        func pin(_ kind: AreaKind) throws -> Int { try kinds.pin(kind, of: frames) { _ in } }
        #expect(try pin(.anonymous) == 0)
        #expect(kinds[0] == .anonymous)
        let numbers = try [kind(1), kind(2), file, other, AreaKind(.guard)].map(pin)
        #expect(Set(numbers).count == 5 && !numbers.contains(0))
        #expect(try [kind(1), kind(2), file, other, AreaKind(.guard)].map(pin) == numbers)
        #expect(numbers.map { kinds[$0] } == [kind(1), kind(2), file, other, AreaKind(.guard)])
      }
    }

    @Test func numbersThatNoEntryHasAreUsedAgain() throws {
      let kinds = AreaKinds()
      try withFrames { frames in
        func pin(_ number: Int, used: [Int] = []) throws -> Int {
          try kinds.pin(kind(number), of: frames) { set in for number in used { set.insert(number) }
          }
        }
        let numbers = try (1..<2048).map { try pin($0) }
        #expect(Set(numbers) == Set(1..<2048))
        // All are pinned.
        #expect(throws: AddressSpaceError.tooManyKinds) { try pin(5000) }
        for number in numbers { kinds.unpin(number) }
        #expect(throws: AddressSpaceError.tooManyKinds) { try pin(5000, used: numbers) }
        // Two are used by entries, and one is pinned.
        #expect(try pin(7) == numbers[6])
        let used = [numbers[3], numbers[2000]]
        let versions = numbers.map { kinds.version(of: $0) }
        let new = try (5000..<5000 + 2044).map { try pin($0, used: used) }
        #expect(Set(new) == Set(numbers).subtracting(used).subtracting([numbers[6]]))
        for (number, name) in zip(new, 5000...) { #expect(kinds[number] == kind(name)) }
        #expect(kinds[used[0]] == kind(4) && kinds[used[1]] == kind(2001))
        #expect(kinds[numbers[6]] == kind(7))
        #expect(numbers.filter { kinds.version(of: $0) != versions[$0 - 1] }.count == 2044)
        #expect(throws: AddressSpaceError.tooManyKinds) { try pin(9999, used: used) }
      }
    }

    @Test func withoutMemoryThereIsNoNumber() throws {
      let kinds = AreaKinds()
      withFrames { frames in
        var taken: [PhysicalAddress] = []
        while let frame = try? frames.pointee.allocate() { taken.append(frame) }
        #expect(throws: AddressSpaceError.outOfMemory) {
          _ = try kinds.pin(kind(1), of: frames) { _ in }
        }
        for frame in taken { frames.pointee.free(frame) }
        let number = try? kinds.pin(kind(1), of: frames) { _ in }
        #expect(number == 1)
      }
    }
  }

  @Suite struct AreaTextTests {
    private func text(_ area: AddressSpace.Area) -> String {
      var text = ""
      area.write(to: &text)
      return text
    }

    @Test func isOneLine() {
      #expect(
        text(
          AddressSpace.Area(
            start: 0x2000_0000_0000, end: 0x2000_0000_4000, permissions: .write,
            kind: AreaKind(.anonymous, named: "heap"), residentByteCount: 8192))
          == "200000000000-200000004000 rw-         16 KiB          8 KiB  heap")
      #expect(
        text(
          AddressSpace.Area(
            start: 0x1000, end: 1 << 46, permissions: [.inaccessible, .write],
            kind: AreaKind(.guard, named: "main"), residentByteCount: 0))
          == "000000001000-400000000000 --- 68719476732 KiB          0 KiB  [guard] main")
      #expect(
        text(
          AddressSpace.Area(
            start: 0x8000_0000_0000, end: 0x8000_0000_1000, permissions: [.execute],
            kind: .anonymous, residentByteCount: 4096))
          == "800000000000-800000001000 r-x          4 KiB          4 KiB ")
    }
  }
}
