import Machine
import PerCPU
import Testing

@testable import Interrupts

/// Handlers of devices over simulated CPUs, each a thread that takes interrupts when it looks.
extension SimulatedMachine {
  @Suite struct DeviceInterruptTests {
    private let machine = SimulatedMachine.shared

    /// What a handler writes, as a driver would: without atomics.
    private final class Driver: @unchecked Sendable {
      var count = 0
      var memory: UnsafeMutablePointer<Int>?
      let handled = Atomic<Int>(0)
    }

    /// The message that the device sends, as one word; 0 for none.
    private static let target = Atomic<Int>(0)

    private static func tell(_ message: InterruptMessage) {
      target.store(Int(message.address >> 12 & 15) << 8 | Int(message.data) + 1, ordering: .relaxed)
    }

    /// What is on its way to each CPU, by vectors: there are few in these tests.
    private final class Wires: @unchecked Sendable {
      private let pending: UnsafeMutablePointer<Atomic<UInt64>> = .allocate(capacity: 4)

      init() { for cpu in 0..<4 { (pending + cpu).initialize(to: Atomic(0)) } }
      deinit { pending.deallocate() }

      func take(_ cpu: Int) -> UInt64 { pending[cpu].exchange(0, ordering: .acquiring) }

      func send() {
        let target = DeviceInterruptTests.target.load(ordering: .relaxed)
        if target == 0 { return }
        pending[target >> 8 & 3].store(1 << UInt64(target & 255 - 1), ordering: .releasing)
      }
    }

    private static func takeInterrupts(_ wires: Wires, _ cpu: Int) {
      Processor.disableInterrupts()
      var bits = wires.take(cpu)
      Processor.withInterruptMarked {
        while bits != 0 {
          handleInterrupt(0x50 + UInt64(bits.trailingZeroBitCount))
          bits &= bits - 1
        }
      }
      CrossCall.handleAll()
      Processor.enableInterrupts()
    }

    /// Handlers are registered, moved and released on CPU 3 while CPUs 0 to 2 send and take interrupts. A driver's
    /// memory is freed after the release: ThreadSanitizer would see a handler that still uses it.
    @Test func handlersComeMoveAndGo() {
      let wires = Wires()
      let running = Atomic<Int>(1)
      let failures = Atomic<Int>(0)
      let total = Atomic<Int>(0)
      onSimulatedCPUs(4) { index in
        if index < 3 {
          while running.load(ordering: .acquiring) != 0 {
            wires.send()
            Self.takeInterrupts(wires, index)
            Processor.pause()
          }
          return
        }
        for round in 0..<300 {
          let driver = Driver()
          driver.memory = .allocate(capacity: 1)
          driver.memory?.initialize(to: 0)
          do throws(InterruptError) {
            var interrupt = try MessageInterrupt(on: CPU(index: round % 3), name: "test") { _ in
              driver.memory?.pointee += 1
              driver.count += 1
              driver.handled.wrappingAdd(1, ordering: .relaxed)
              return .handled
            }
            Self.tell(interrupt.message)
            for turn in 1...3 {
              try interrupt.move(to: CPU(index: (round + turn) % 3)) { Self.tell($0) }
              if interrupt.cpu.index != (round + turn) % 3 {
                failures.wrappingAdd(1, ordering: .relaxed)
              }
              let before = driver.handled.load(ordering: .relaxed)
              while driver.handled.load(ordering: .relaxed) == before { Processor.pause() }
            }
            interrupt.release()
          } catch { failures.wrappingAdd(1, ordering: .relaxed) }
          Self.target.store(0, ordering: .relaxed)
          if driver.memory?.pointee != driver.count { failures.wrappingAdd(1, ordering: .relaxed) }
          total.wrappingAdd(driver.count, ordering: .relaxed)
          driver.memory?.deallocate()
          driver.memory = nil
        }
        running.store(0, ordering: .releasing)
      }
      #expect(failures.load(ordering: .relaxed) == 0)
      #expect(total.load(ordering: .relaxed) >= 900)
      #expect(InterruptInformation.all.isEmpty)
    }

    @Test func aLineHasOneHandlerAndIsMaskedAfterIt() throws {
      var first = try LineInterrupt(.isa(4), on: CPU(index: 0), name: "first") { _ in .handled }
      func route() -> InterruptControllers.Route {
        InterruptRegistry.withState { $0.inputs.controllers.route(of: InterruptLineNumber(4)) }
      }
      #expect(!route().isMasked && route().cpu == 0 && route().trigger == .risingEdge)
      #expect(throws: InterruptError.self) {
        _ = try LineInterrupt(.global(4, .lowLevel), on: CPU(index: 0), name: "second") { _ in
          .handled
        }
      }
      #expect(throws: InterruptError.self) {
        _ = try LineInterrupt(.global(24, .lowLevel), on: CPU(index: 0), name: "none") { _ in
          .handled
        }
      }
      #expect(throws: InterruptError.self) {
        _ = try LineInterrupt(.isa(16), on: CPU(index: 0), name: "none") { _ in .handled }
      }
      // There is nobody on the other CPUs who would answer.
      #expect(throws: InterruptError.self) { try first.move(to: CPU(index: 60)) }
      #expect(!route().isMasked)
      first.mask()
      #expect(route().isMasked)
      first.unmask()
      #expect(!route().isMasked)
      first.release()
      #expect(route().isMasked)
      let again = try LineInterrupt(.global(4, .lowLevel), on: CPU(index: 0), name: "again") { _ in
        .handled
      }
      #expect(route().trigger == .lowLevel)
      _ = again.cpu
    }

    /// A thread may be at the device for which a line is held back, and lets it through when it is done.
    @Test func aMaskedLineIsMovedMasked() throws {
      let result = Atomic<Int>(0)
      onSimulatedCPUs(2) { index in
        if index == 1 {
          while result.load(ordering: .acquiring) == 0 {
            Self.takeInterrupts(Wires(), 1)
            Processor.pause()
          }
          return
        }
        do throws(InterruptError) {
          var line = try LineInterrupt(.isa(5), on: CPU(index: 1), name: "moved") { _ in .handled }
          func route() -> InterruptControllers.Route {
            InterruptRegistry.withState { $0.inputs.controllers.route(of: InterruptLineNumber(5)) }
          }
          line.mask()
          try line.move(to: CPU(index: 0))
          let isHeldBack = route().isMasked && route().cpu == 0
          line.unmask()
          try line.move(to: CPU(index: 1))
          let isLetThrough = !route().isMasked && route().cpu == 1
          line.release()
          result.store(isHeldBack && isLetThrough ? 1 : 2, ordering: .releasing)
        } catch { result.store(3, ordering: .releasing) }
      }
      #expect(result.load(ordering: .relaxed) == 1)
    }

    @Test func interruptsAreCountedAndAStormMasksTheLine() throws {
      let interrupt = try LineInterrupt(.isa(3), on: CPU(index: 0), name: "storm") { _ in
        .notHandled
      }
      let route = InterruptRegistry.withState {
        $0.inputs.controllers.route(of: InterruptLineNumber(3))
      }
      func isMasked() -> Bool {
        InterruptRegistry.withState {
          $0.inputs.controllers.route(of: InterruptLineNumber(3)).isMasked
        }
      }
      Processor.disableInterrupts()
      for _ in 1..<InterruptTable.stormLength { handleInterrupt(0x50 + UInt64(route.vector)) }
      #expect(!isMasked())
      handleInterrupt(0x50 + UInt64(route.vector))
      Processor.enableInterrupts()
      #expect(isMasked())
      let information = try #require(InterruptInformation.all.first)
      #expect(information.counts[0] == InterruptTable.stormLength)
      #expect(information.unhandledCount == InterruptTable.stormLength)
      #expect(information.line == InterruptLineNumber(3))
      _ = interrupt.cpu
    }

    @Test func allVectorsOfACPUAreGivenOut() throws {
      final class Registered {
        let interrupt: MessageInterrupt
        init() throws(InterruptError) {
          interrupt = try MessageInterrupt(on: CPU(index: 1), name: "many") { _ in .handled }
        }
      }
      let wires = Wires()
      let running = Atomic<Int>(1)
      let counts = Atomic<Int>(0)
      onSimulatedCPUs(2) { index in
        if index == 1 {
          while running.load(ordering: .acquiring) != 0 {
            Self.takeInterrupts(wires, 1)
            Processor.pause()
          }
          return
        }
        for _ in 0..<2 {
          var all: [Registered] = []
          while let next = try? Registered() { all.append(next) }
          counts.wrappingAdd(all.count, ordering: .relaxed)
          all = []
        }
        running.store(0, ordering: .releasing)
      }
      #expect(counts.load(ordering: .relaxed) == 2 * Processor.deviceVectorCount)
    }
  }
}
