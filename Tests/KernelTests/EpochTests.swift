import Locking
import Machine
import PerCPU
import Testing

extension SimulatedMachine {
  @Suite struct EpochTests {
    private let machine = SimulatedMachine.shared

    private static let poison: UInt64 = 0xDEAD

    private static func makeEpoch() -> Epoch {
      let epoch = Epoch()
      epoch.initialize(
        in: .allocate(byteCount: Epoch.byteCount(for: SimulatedMachine.cpuCount), alignment: 128),
        count: SimulatedMachine.cpuCount)
      return epoch
    }

    /// An object that says when it is reclaimed. The words behind the header keep their value until
    /// then.
    private struct Object {
      static let byteCount = 64
      let pointer: UnsafeMutableRawPointer

      init(value: UInt64) {
        pointer = .allocate(byteCount: Self.byteCount, alignment: 16)
        pointer.storeBytes(of: value, toByteOffset: 48, as: UInt64.self)
      }

      init(at pointer: UnsafeMutableRawPointer) { self.pointer = pointer }

      static func value(at address: UInt64) -> UInt64 {
        UnsafeRawPointer(bitPattern: UInt(address))?.load(fromByteOffset: 48, as: UInt64.self) ?? 0
      }

      func retire(in epoch: borrowing Epoch) {
        epoch.retire(pointer.bindMemory(to: RetiredObject.self, capacity: 1)) { object in
          object.storeBytes(of: EpochTests.poison, toByteOffset: 48, as: UInt64.self)
          EpochTests.reclaimed.wrappingAdd(1, ordering: .relaxed)
          object.deallocate()
        }
      }
    }

    private static let reclaimed = Atomic<Int>(0)

    @Test func readersNeverSeeWhatIsReclaimed() {
      let epoch = Self.makeEpoch()
      Self.reclaimed.store(0, ordering: .relaxed)
      let shared = Atomic<UInt64>(UInt64(UInt(bitPattern: Object(value: 1).pointer)))
      let violations = Atomic<Int>(0)
      let running = Atomic<Int>(2)
      onSimulatedCPUs(SimulatedMachine.cpuCount) { index in
        if index < 2 {
          for round in 0..<3000 {
            let next = Object(value: UInt64(round) + 1)
            let old = shared.exchange(
              UInt64(UInt(bitPattern: next.pointer)), ordering: .acquiringAndReleasing)
            if let pointer = UnsafeMutableRawPointer(bitPattern: UInt(old)) {
              Object(at: pointer).retire(in: epoch)
            }
            epoch.reclaim()
          }
          epoch.synchronize()
          running.wrappingSubtract(1, ordering: .releasing)
        } else {
          while running.load(ordering: .acquiring) > 0 {
            epoch.read {
              let address = shared.load(ordering: .acquiring)
              let inner = epoch.enter()
              inner.leave()
              if !epoch.isInside { violations.wrappingAdd(1, ordering: .relaxed) }
              epoch.read {
                if Object.value(at: address) == Self.poison {
                  violations.wrappingAdd(1, ordering: .relaxed)
                }
              }
              Processor.pause()
              if Object.value(at: address) == Self.poison {
                violations.wrappingAdd(1, ordering: .relaxed)
              }
            }
          }
        }
      }
      #expect(violations.load(ordering: .relaxed) == 0)
      #expect(Self.reclaimed.load(ordering: .relaxed) == 6000)
    }

    @Test func anOpenSectionHoldsReclamationUp() {
      let epoch = Self.makeEpoch()
      Self.reclaimed.store(0, ordering: .relaxed)
      let step = Atomic<Int>(0)
      let early = Atomic<Int>(0)
      onSimulatedCPUs(2) { index in
        if index == 1 {
          epoch.read {
            step.store(1, ordering: .releasing)
            while step.load(ordering: .acquiring) < 2 { Processor.pause() }
          }
          step.store(3, ordering: .releasing)
        } else {
          while step.load(ordering: .acquiring) < 1 { Processor.pause() }
          Object(value: 1).retire(in: epoch)
          for _ in 0..<100 { epoch.reclaim() }
          early.store(Self.reclaimed.load(ordering: .relaxed), ordering: .relaxed)
          step.store(2, ordering: .releasing)
          while step.load(ordering: .acquiring) < 3 { Processor.pause() }
          for _ in 0..<3 { epoch.reclaim() }
        }
      }
      #expect(early.load(ordering: .relaxed) == 0)
      #expect(Self.reclaimed.load(ordering: .relaxed) == 1)
    }

    /// One call does not reclaim more than it is allowed to, however much waits.
    @Test func reclamationIsBounded() {
      let epoch = Self.makeEpoch()
      Self.reclaimed.store(0, ordering: .relaxed)
      let counts = TestLock<[Int]>([])
      onSimulatedCPUs(1) { _ in
        for _ in 0..<10 { Object(value: 1).retire(in: epoch) }
        let seen = [
          epoch.reclaim(atMost: 4), epoch.reclaim(atMost: 4), epoch.reclaim(atMost: 4),
          epoch.reclaim(atMost: 4), epoch.reclaim(atMost: 4),
        ]
        counts.withLock { $0 = seen }
      }
      #expect(counts.withLock { $0 } == [10, 6, 2, 0, 0])
    }

    #if DEBUG
    private enum Held: LockClass {
      typealias Context = ThreadOnly
      typealias Level = FrameLevel
      static var name: StaticString { "held too long" }
    }

    @Test func waitingWithALockHeldIsFatal() async {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardOutputContent]
      ) {
        let epoch = EpochTests.makeEpoch()
        let lock = SpinLock<EpochTests.Held, Int>(0)
        lock.withLock { _ in epoch.synchronize() }
      }
      let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
      #expect(output.contains("\"held too long\" of level 4 is held while an epoch is awaited"))
    }

    @Test func waitingInsideOfASectionIsFatal() async {
      await #expect(processExitsWith: .failure) {
        let epoch = EpochTests.makeEpoch()
        epoch.read { epoch.synchronize() }
      }
    }
    #endif
  }
}
