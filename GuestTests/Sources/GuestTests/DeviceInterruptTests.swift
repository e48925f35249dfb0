import Apus
import CProbe
import GuestTesting
import Machine

/// Handlers of devices' interrupts. The device is the first serial port, which interrupts when it is asked to do so
/// as soon as it can send, and for messages the CPU itself: QEMU takes its write to a message's address for a
/// device's.
enum DeviceInterruptTests {
  static var suite: TestSuite {
    TestSuite(
      name: "DeviceInterrupts",
      [
        Test("a line reaches the chosen CPU, moved, and not after release", line),
        Test("what cannot be registered is refused", refused),
        Test("a message reaches the chosen CPU, moved, and not after release", message),
        Test("as many handlers as a CPU can tell apart", vectors),
        Test("a handler wakes a thread", wake),
        Test("a line is masked and comes later", masked),
        Test("a handler leaves its device to a thread", maskedByHandler),
        Test("a thread may be through before the handler that woke it", servedEarly),
        Test("a storm that nobody wants is ended", storm),
        Test("vector registers survive a handler", vectorRegisters),
        Test("deferred work runs outside of interrupts and may sleep", deferred),
        Test("deferred work that was scheduled twice runs once", once),
        Test("deferred work is cancelled, or waited for", cancel),
        Test("a handler comes and goes while its device interrupts", comeAndGo),
      ])
  }

  /// What a handler counts.
  private final class Seen: Sendable {
    let cpus = Atomic<UInt64>(0)
    let count = Atomic<Int>(0)
    let outside = Atomic<Int>(0)
    let semaphore = Semaphore(0)

    @inline(__always)
    func note() {
      let bit = UInt64(1) << UInt64(CPU.current.index)
      let seen = cpus.load(ordering: .relaxed)
      if seen & bit == 0 { _ = cpus.wrappingAdd(bit, ordering: .relaxed) }
      if !Processor.isInInterrupt || Processor.interruptsAreEnabled {
        _ = outside.wrappingAdd(1, ordering: .relaxed)
      }
      _ = count.wrappingAdd(1, ordering: .releasing)
    }

    func reset() {
      cpus.store(0, ordering: .relaxed)
      count.store(0, ordering: .releasing)
    }

    /// Whether there are so many before ten seconds are over.
    func reaches(_ wanted: Int) -> Bool {
      within10Seconds { count.load(ordering: .acquiring) >= wanted }
    }
  }

  private static func within10Seconds(_ condition: () -> Bool) -> Bool {
    let end = MonotonicClock.nanoseconds + 10_000_000_000
    while !condition() {
      if MonotonicClock.nanoseconds > end { return false }
      Thread.yield()
      probe_pause()
    }
    return true
  }

  private static let port: UInt16 = 0x3F8

  /// Lets the serial port interrupt because it can send (16550D data sheet, 8.6: IER bit 1). Its line goes by OUT2.
  private static func interruptBySerialPort() {
    probe_out8(port + 1, 0)
    probe_out8(port + 1, 2)
  }

  /// Reading the identification ends that interrupt; bit 0 is set where there was none (8.7).
  @inline(__always)
  private static func serve(_ seen: Seen) -> InterruptResponse {
    if probe_in8(port + 2) & 1 != 0 { return .notHandled }
    seen.note()
    return .handled
  }

  private static func serialInterrupt(_ seen: Seen, on cpu: CPU) -> LineInterrupt? {
    let interrupt = try? LineInterrupt(.isa(4), on: cpu, name: "serial test") { _ in serve(seen) }
    probe_out8(port + 4, 0x0B)
    return interrupt
  }

  /// Not for ever: nothing came for a while.
  private static func rest() { Thread.sleep(nanoseconds: 2_000_000) }

  private static func line(_ t: TestContext) {
    let seen = Seen()
    guard var interrupt = serialInterrupt(seen, on: CPU(index: 0)) else {
      return t.fail("not registered")
    }
    for index in 0..<CPU.count {
      try? interrupt.move(to: CPU(index: index))
      t.expect(interrupt.cpu.index, equals: index, "home")
      seen.reset()
      for turn in 1...5 {
        interruptBySerialPort()
        t.expect(seen.reaches(turn), "no interrupt on CPU \(index)")
      }
      t.expect(
        seen.cpus.load(ordering: .relaxed), equals: 1 << UInt64(index), "CPUs that handled it")
    }
    t.expect(seen.outside.load(ordering: .relaxed), equals: 0, "handlers outside of interrupts")
    let information = InterruptInformation.all
    t.expect(information.count, equals: 1, "handlers")
    if let own = information.first {
      for index in 0..<CPU.count { t.expect(own.counts[index] >= 5, "counted on CPU \(index)") }
    }
    interrupt.release()
    seen.reset()
    interruptBySerialPort()
    rest()
    t.expect(seen.count.load(ordering: .relaxed), equals: 0, "interrupts after release")
    t.expect(InterruptInformation.all.count, equals: 0, "handlers after release")
    probe_out8(port + 1, 0)
  }

  private static func refused(_ t: TestContext) {
    let seen = Seen()
    guard var interrupt = serialInterrupt(seen, on: CPU(index: 0)) else {
      return t.fail("not registered")
    }
    do throws(InterruptError) {
      _ = try LineInterrupt(.isa(4), on: CPU(index: 0), name: "second") { _ in .handled }
      t.fail("a line has two handlers")
    } catch {
      guard case .lineInUse(let name) = error else { return t.fail("another error") }
      t.expect(name.utf8CodeUnitCount, equals: 11, "length of the owner's name")
    }
    do throws(InterruptError) {
      _ = try LineInterrupt(.global(5000, .highLevel), on: CPU(index: 0), name: "none") { _ in
        .handled
      }
      t.fail("there is line 5000")
    } catch {
      guard case .noSuchLine = error else { return t.fail("another error") }
    }
    do throws(InterruptError) {
      _ = try MessageInterrupt(on: CPU(index: 63), name: "far") { _ in .handled }
      t.expect(CPU.count == 64, "a CPU that is not there takes interrupts")
    } catch {
      guard case .cpuOffline(let cpu) = error else { return t.fail("another error") }
      t.expect(cpu.index, equals: 63)
    }
    do throws(InterruptError) {
      try interrupt.move(to: CPU(index: 63))
      t.expect(CPU.count == 64, "moved to a CPU that is not there")
    } catch {}
    t.expect(InterruptInformation.all.count, equals: 1, "handlers")
  }

  private static func send(_ message: InterruptMessage) {
    probe_write32(message.address, message.data)
  }

  private static func message(_ t: TestContext) {
    let seen = Seen()
    guard
      var interrupt = try? MessageInterrupt(
        on: CPU(index: 0), name: "message test",
        { _ in
          seen.note()
          return .handled
        })
    else { return t.fail("not registered") }
    for index in 0..<CPU.count {
      try? interrupt.move(to: CPU(index: index)) { _ in }
      let isReady = index == 0 || seen.reaches(1)
      t.expect(isReady, "the interrupt that makes up for what came in between")
      seen.reset()
      for turn in 1...5 {
        send(interrupt.message)
        t.expect(seen.reaches(turn), "no message on CPU \(index)")
      }
      t.expect(
        seen.cpus.load(ordering: .relaxed), equals: 1 << UInt64(index), "CPUs that handled it")
    }
    let last = interrupt.message
    interrupt.release()
    seen.reset()
    send(last)
    rest()
    t.expect(seen.count.load(ordering: .relaxed), equals: 0, "messages after release")
  }

  private final class Registered {
    let interrupt: MessageInterrupt
    init(on cpu: CPU) throws(InterruptError) {
      interrupt = try MessageInterrupt(on: cpu, name: "one of many") { _ in .handled }
    }
  }

  private static func vectors(_ t: TestContext) {
    for round in 0..<2 {
      var all: [Registered] = []
      do throws(InterruptError) {
        while all.count < 1000 { all.append(try Registered(on: CPU(index: 0))) }
        t.fail("there is no end")
      } catch {
        if case .noVector = error {} else { t.fail("another error") }
      }
      t.expect(all.count, equals: Processor.deviceVectorCount, "handlers in round \(round)")
      t.expect(Set(all.map { $0.interrupt.message.data }).count, equals: all.count, "messages")
    }
  }

  private static func wake(_ t: TestContext) {
    let seen = Seen()
    let cpu = CPU(index: CPU.count - 1)
    guard
      let interrupt = try? MessageInterrupt(
        on: cpu, name: "wake test",
        { context in
          seen.note()
          seen.semaphore.signal(from: context)
          return .handled
        })
    else { return t.fail("not registered") }
    let woken = Seen()
    let thread = try? Thread.spawn {
      for _ in 0..<100 {
        seen.semaphore.wait()
        _ = woken.count.wrappingAdd(1, ordering: .releasing)
      }
    }
    for turn in 1...100 {
      send(interrupt.message)
      t.expect(woken.reaches(turn), "not woken")
      if t.hasFailed { return }
    }
    thread?.join()
  }

  private static func masked(_ t: TestContext) {
    let seen = Seen()
    guard var interrupt = serialInterrupt(seen, on: CPU(index: CPU.count - 1)) else {
      return t.fail("not registered")
    }
    interrupt.mask()
    interruptBySerialPort()
    rest()
    t.expect(seen.count.load(ordering: .relaxed), equals: 0, "interrupts of a masked line")
    try? interrupt.move(to: CPU(index: 0))
    interruptBySerialPort()
    rest()
    t.expect(
      seen.count.load(ordering: .relaxed), equals: 0, "interrupts of a line masked and moved")
    interrupt.unmask()
    interruptBySerialPort()
    t.expect(seen.reaches(1), "no interrupt of a line that was unmasked")
    t.expect(seen.cpus.load(ordering: .relaxed), equals: 1, "CPUs that were interrupted")
    probe_out8(port + 1, 0)
  }

  private static func maskedByHandler(_ t: TestContext) {
    let seen = Seen()
    guard
      let interrupt = try? LineInterrupt(
        .isa(4), on: CPU(index: CPU.count - 1), name: "thread test",
        { context in
          seen.note()
          seen.semaphore.signal(from: context)
          return .handledAndMasked
        })
    else { return t.fail("not registered") }
    for turn in 1...3 {
      interruptBySerialPort()
      seen.semaphore.wait()
      // The line is held back when the handler is through: its CPU answers then.
      CPUSet(CPU(index: CPU.count - 1)).interrupt { _ in }
      // Nothing comes until the thread has served the device.
      interruptBySerialPort()
      rest()
      t.expect(seen.count.load(ordering: .relaxed), equals: turn, "interrupts of a masked line")
      _ = probe_in8(port + 2)
      interrupt.unmask()
    }
    probe_out8(port + 1, 0)
  }

  /// The handler waits until the thread has let the line through, and only then has it held back.
  private static func servedEarly(_ t: TestContext) {
    if CPU.count == 1 { return }
    // Not on the handler's CPU, which this would wait for.
    let affinity = Thread.current.affinity
    try? Thread.current.setAffinity(CPUSet(CPU(index: 0)))
    defer { try? Thread.current.setAffinity(affinity) }
    let seen = Seen()
    let served = Seen()
    guard
      let interrupt = try? LineInterrupt(
        .isa(4), on: CPU(index: CPU.count - 1), name: "early test",
        { context in
          seen.note()
          seen.semaphore.signal(from: context)
          let count = seen.count.load(ordering: .relaxed)
          while served.count.load(ordering: .acquiring) < count { Processor.pause() }
          return .handledAndMasked
        })
    else { return t.fail("not registered") }
    for turn in 1...3 {
      interruptBySerialPort()
      t.expect(seen.reaches(turn), "the line is held back though the thread was through")
      if t.hasFailed { return }
      seen.semaphore.wait()
      _ = probe_in8(port + 2)
      interrupt.unmask()
      _ = served.count.wrappingAdd(1, ordering: .releasing)
      // The handler is through when its CPU answers.
      CPUSet(CPU(index: CPU.count - 1)).interrupt { _ in }
    }
    probe_out8(port + 1, 0)
  }

  private static func storm(_ t: TestContext) {
    let seen = Seen()
    guard
      let interrupt = try? LineInterrupt(
        .isa(4), on: CPU.current, name: "storm test",
        { _ in
          _ = probe_in8(port + 2)
          seen.note()
          return .notHandled
        })
    else { return t.fail("not registered") }
    for _ in 0..<11_000 { interruptBySerialPort() }
    rest()
    t.expect(
      seen.count.load(ordering: .relaxed), equals: 10_000, "interrupts before the line is masked")
    t.expect(InterruptInformation.all.first?.unhandledCount ?? 0, equals: 10_000, "not handled")
    interrupt.unmask()
    interruptBySerialPort()
    t.expect(seen.reaches(10_001), "no interrupt of a line that was unmasked")
    probe_out8(port + 1, 0)
  }

  private static func vectorRegisters(_ t: TestContext) {
    let seen = Seen()
    guard
      let interrupt = try? MessageInterrupt(
        on: CPU(index: 0), name: "vector test",
        { _ in
          InterruptTests.spoil(1.5)
          seen.note()
          return .handled
        })
    else { return t.fail("not registered") }
    let message = interrupt.message
    let running = Atomic<Int>(1)
    CPUSet.online.run { cpu in
      if cpu.index == 0 {
        // The others may start late: the rounds go on until messages came.
        var round: UInt64 = 0
        let came = within10Seconds {
          if CPU.count == 1 { send(message) }
          t.expect(probe_vectors_survive(round &* 0x9E37_79B9, 2000) == 1)
          round += 1
          return round >= 20 && seen.count.load(ordering: .relaxed) >= 20
        }
        running.store(0, ordering: .releasing)
        t.expect(came, "no 20 messages came")
      } else {
        while running.load(ordering: .acquiring) != 0 { send(message) }
      }
    }
  }

  /// What deferred work leaves behind.
  private final class Done: Sendable {
    let runs = Atomic<Int>(0)
    let wrong = Atomic<Int>(0)
    let cpu = Atomic<Int>(-1)
    let isHeld = Atomic<Int>(0)
    let begun = Atomic<Int>(0)
    let list = Mutex<[Int]>([])

    func run() {
      _ = begun.wrappingAdd(1, ordering: .releasing)
      if Processor.isInInterrupt || !Processor.interruptsAreEnabled {
        _ = wrong.wrappingAdd(1, ordering: .relaxed)
      }
      cpu.store(CPU.current.index, ordering: .relaxed)
      list.withLock { $0.append($0.count) }
      Thread.sleep(nanoseconds: 100_000)
      while isHeld.load(ordering: .acquiring) != 0 { Thread.sleep(nanoseconds: 100_000) }
      _ = runs.wrappingAdd(1, ordering: .releasing)
    }
  }

  private final class Work: Sendable {
    let done: Done
    let work: DeferredWork

    init(_ done: Done) throws(ThreadError) {
      self.done = done
      work = try DeferredWork { done.run() }
    }
  }

  private static func deferred(_ t: TestContext) {
    let done = Done()
    guard let work = try? Work(done) else { return t.fail("no work") }
    for index in 0..<CPU.count {
      guard
        let interrupt = try? MessageInterrupt(
          on: CPU(index: index), name: "deferred test",
          { context in
            work.work.schedule(from: context)
            return .handled
          })
      else { return t.fail("not registered") }
      for turn in 1...3 {
        send(interrupt.message)
        t.expect(
          within10Seconds { done.runs.load(ordering: .acquiring) == index * 3 + turn },
          "work is not done")
        t.expect(done.cpu.load(ordering: .relaxed), equals: index, "where it ran")
      }
    }
    t.expect(done.wrong.load(ordering: .relaxed), equals: 0, "work in interrupts")
    t.expect(done.list.withLock { $0.count }, equals: 3 * CPU.count)
  }

  private static func once(_ t: TestContext) {
    let done = Done()
    guard let work = try? Work(done) else { return t.fail("no work") }
    done.isHeld.store(1, ordering: .releasing)
    t.expect(work.work.schedule(), "it was scheduled before")
    t.expect(within10Seconds { done.begun.load(ordering: .acquiring) == 1 }, "it does not begin")
    // Now it runs: once more is one more, however often.
    t.expect(work.work.schedule(), "it was scheduled while it runs")
    for _ in 0..<100 { t.expect(!work.work.schedule(), "it was not scheduled before") }
    done.isHeld.store(0, ordering: .releasing)
    t.expect(within10Seconds { done.runs.load(ordering: .acquiring) == 2 }, "it did not run again")
    rest()
    t.expect(done.runs.load(ordering: .acquiring), equals: 2, "runs")
  }

  private static func cancel(_ t: TestContext) {
    let done = Done()
    guard let work = try? Work(done) else { return t.fail("no work") }
    t.expect(!work.work.cancel(), "something was scheduled")
    for round in 0..<50 {
      let before = done.runs.load(ordering: .relaxed)
      work.work.schedule()
      if round % 2 == 1 { Thread.sleep(nanoseconds: UInt64(round) * 4000) }
      let wasTakenBack = work.work.cancel()
      let runs = done.runs.load(ordering: .acquiring)
      t.expect(runs - before, equals: wasTakenBack ? 0 : 1, "runs in round \(round)")
      t.expect(done.begun.load(ordering: .acquiring), equals: runs, "it still runs")
    }
  }

  /// The other CPUs send messages all the time, while the handler is moved, released and registered again.
  private static func comeAndGo(_ t: TestContext) {
    let seen = Seen()
    let device = Device()
    CPUSet.online.run { cpu in
      if cpu.index == CPU.count - 1 {
        for round in 0..<20 { comeAndGo(t, round, seen, device) }
        device.isOff.store(1, ordering: .releasing)
      } else {
        while device.isOff.load(ordering: .acquiring) == 0 {
          device.send()
          probe_pause()
        }
      }
    }
    t.expect(seen.outside.load(ordering: .relaxed), equals: 0, "handlers outside of interrupts")
  }

  /// One that sends the message that it was told last.
  private final class Device: Sendable {
    let isOff = Atomic<Int>(0)
    private let target = Atomic<UInt64>(0)

    func tell(_ message: InterruptMessage) {
      target.store(message.address << 32 | UInt64(message.data), ordering: .releasing)
    }

    func silence() { target.store(0, ordering: .releasing) }

    func send() {
      let message = target.load(ordering: .acquiring)
      if message != 0 { probe_write32(message >> 32, UInt32(truncatingIfNeeded: message)) }
    }
  }

  private static func comeAndGo(_ t: TestContext, _ round: Int, _ seen: Seen, _ device: Device) {
    guard
      var interrupt = try? MessageInterrupt(
        on: CPU(index: round % CPU.count), name: "come and go",
        { _ in
          seen.note()
          return .handled
        })
    else { return t.fail("not registered") }
    device.tell(interrupt.message)
    for turn in 0..<3 {
      let before = seen.count.load(ordering: .relaxed)
      try? interrupt.move(to: CPU(index: (round + turn + 1) % CPU.count)) { device.tell($0) }
      t.expect(CPU.count == 1 || seen.reaches(before + 1), "nothing comes after a move")
    }
    device.silence()
    interrupt.release()
  }
}
