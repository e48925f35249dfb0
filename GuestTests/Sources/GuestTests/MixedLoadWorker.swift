import Apus
import CProbe
import GuestTesting

/// One thread of the load.
struct MixedLoadWorker {
  private let load: MixedLoad
  private var random: MemoryTests.SplitMix
  private let timer = WorkerTimer()
  private var t: TestContext { load.t }
  /// What only this thread writes, whichever CPU it is on.
  private static let mark = ThreadLocal<UInt64> { 0 }

  init(_ load: MixedLoad, seed: UInt64) {
    self.load = load
    random = MemoryTests.SplitMix(seed: seed &* 7919 &+ 3)
  }

  mutating func work() {
    var steps: UInt64 = 0
    while load.isTime {
      let choice = random.next()
      t.expect(Self.mark.value, equals: steps, "a thread's own value")
      steps += 1
      Self.mark.value = steps
      switch choice % 20 {
      case 0: takeMutex(choice)
      case 1: takeBoth()
      case 2, 3: readOrWrite(choice)
      case 4: giveOrTakeToken(choice)
      case 5: takePermit(choice)
      case 6: sendOrReceive(choice)
      case 7: timer.use(t, microseconds: choice >> 8 % 500)
      case 8: sleep(microseconds: choice >> 8 % 300)
      case 9: startThreads(choice)
      case 10: move()
      case 11: loop()
      case 12: allocate()
      case 13: map(choice)
      case 14:
        if probe_vectors_survive(choice, 2_000) == 0 { t.fail("vector registers are spoilt") }
      case 15: interrupt()
      case 16: runOnAll()
      case 17: usePool(choice)
      default: Thread.yield()
      }
    }
    timer.check(t)
  }

  private func deadline(_ choice: UInt64) -> UInt64 {
    MonotonicClock.nanoseconds + choice >> 16 % 400_000
  }

  private func takeMutex(_ choice: UInt64) {
    func visit(_ count: inout UInt64) {
      let before = count
      if choice >> 8 % 4 == 0 { Thread.yield() }
      count = before + 1
    }
    switch choice >> 4 % 4 {
    case 0: if load.mutex.withLockIfAvailable(visit) != nil { load.add(to: load.visits) }
    case 1:
      if load.mutex.withLock(until: deadline(choice), visit) != nil { load.add(to: load.visits) }
    default:
      load.mutex.withLock(visit)
      load.add(to: load.visits)
    }
  }

  private func takeBoth() {
    load.mutex.withLock { one in
      load.other.withLock { other in
        one += 1
        other += 1
      }
    }
    load.add(to: load.visits)
    load.add(to: load.otherVisits)
  }

  private func readOrWrite(_ choice: UInt64) {
    let yields = choice >> 8 % 8 == 0
    func write(_ pair: inout (UInt64, UInt64)) {
      pair.0 += 1
      if yields { Thread.yield() }
      pair.1 += 1
    }
    switch choice >> 4 % 4 {
    case 0:
      load.pair.withWriteLock(write)
      load.add(to: load.writes)
    case 1:
      if load.pair.withWriteLock(until: deadline(choice), write) != nil {
        load.add(to: load.writes)
      }
    default:
      let isWhole = load.pair.withReadLock { pair in
        let first = pair.0
        if yields { Thread.yield() }
        return first == pair.1
      }
      t.expect(isWhole, "a reader sees half of a write")
    }
  }

  private func giveOrTakeToken(_ choice: UInt64) {
    if choice >> 4 % 2 == 0 {
      load.tokens.withLock { $0 += 1 }
      load.add(to: load.tokensGiven)
      if choice >> 5 % 4 == 0 { load.tokenAdded.broadcast() } else { load.tokenAdded.signal() }
    } else {
      let end = deadline(choice)
      let isTaken = load.tokens.withGuard { guarded in
        while guarded.state == 0 {
          if !load.tokenAdded.wait(guarded, until: end) { break }
        }
        if guarded.state == 0 { return false }
        guarded.state -= 1
        return true
      }
      if isTaken { load.add(to: load.tokensTaken) }
    }
  }

  private func takePermit(_ choice: UInt64) {
    if choice >> 4 % 2 == 0 {
      load.permits.wait()
    } else if !load.permits.wait(until: deadline(choice)) {
      return
    }
    let holders = load.holders.wrappingAdd(1, ordering: .relaxed).newValue
    t.expect(holders <= MixedLoad.permitCount, "\(holders) threads have a permit")
    if choice >> 5 % 2 == 0 { Thread.yield() }
    _ = load.holders.wrappingSubtract(1, ordering: .relaxed)
    load.permits.signal()
  }

  private func sendOrReceive(_ choice: UInt64) {
    let number = choice >> 40
    if choice >> 4 % 2 == 0 {
      do throws(Channel<UInt64>.SendError) {
        try load.channel.send(number, until: deadline(choice))
        load.add(number, to: load.sent)
      } catch {}
    } else if let number = try? load.channel.receive(until: deadline(choice)) {
      load.add(number, to: load.received)
    }
  }

  private func sleep(microseconds: UInt64) {
    let end = MonotonicClock.nanoseconds + microseconds * 1_000
    Thread.sleep(until: end)
    t.expect(MonotonicClock.nanoseconds >= end, "a thread wakes early")
  }

  private func startThreads(_ choice: UInt64) {
    _ = load.started.wrappingAdd(1, ordering: .relaxed)
    let load = load
    if choice >> 4 % 2 == 0 {
      let detached = try? Thread.spawn(name: "load", stackSize: 16 << 10) {
        _ = load.ended.wrappingAdd(1, ordering: .releasing)
      }
      if let detached { detached.detach() } else { t.fail("no thread") }
    } else {
      let factor = Double(choice >> 8 % 1_000)
      do throws(ThreadError) {
        let sum = try Thread.spawn { () -> Double in
          var sum = 0.0
          for number in 0..<100 { sum += factor * Double(number) }
          _ = load.ended.wrappingAdd(1, ordering: .releasing)
          return sum
        }
        t.expect(sum.join() == 4950 * factor, "floating-point arithmetic of a thread")
      } catch { t.fail("no thread") }
    }
  }

  private mutating func move() {
    let cpus = SchedulingTests.randomCPUs(&random)
    try? Thread.current.setAffinity(cpus)
    t.expect(cpus.contains(.current), "a thread runs where it may not")
  }

  private func loop() {
    let sum = parallelReduce(0..<200, 0) {
      $0 += $1
    } combine: {
      $0 += $1
    }
    t.expect(sum, equals: 199 * 100, "sum of a parallel loop")
  }

  private func interrupt() {
    let load = load
    load.add(CPUSet.online.count, to: load.interruptsWanted)
    CPUSet.online.interrupt { _ in
      _ = load.interrupts.wrappingAdd(1, ordering: .relaxed)
    }
  }

  private func runOnAll() {
    let t = t
    CPUSet.online.run { cpu in
      t.expect(CPU.current.index == cpu.index, "work is not on its CPU")
      Thread.yield()
      t.expect(CPU.current.index == cpu.index, "work leaves its CPU")
    }
  }

  private func usePool(_ choice: UInt64) {
    let factor = Int(choice >> 8 % 1_000)
    do throws(ThreadError) {
      let pool = try TaskPool(workerCount: 2)
      let tasks = (0..<8).map { number in pool.submit { factor * number } }
      pool.finish()
      let sum = tasks.reduce(0) { $0 + $1.value }
      t.expect(sum, equals: 28 * factor, "sum of tasks")
    } catch { t.fail("no pool") }
  }

  private mutating func allocate() {
    let count = Int(random.next() % 600) + 1
    let block = UnsafeMutablePointer<UInt>.allocate(capacity: count)
    for index in 0..<count { block[index] = UInt(bitPattern: block) ^ UInt(index) }
    Thread.yield()
    for index in 0..<count where block[index] != UInt(bitPattern: block) ^ UInt(index) {
      t.fail("a block was written by somebody else")
      break
    }
    block.deallocate()
  }

  private func map(_ choice: UInt64) {
    do throws(AddressSpaceError) {
      let mapping = try MemoryMapping(byteCount: 4 * 4096, named: "load")
      mapping.withUnsafeMutableBytes { bytes in
        for page in 0..<4 {
          t.expect(bytes[page * 4096], equals: 0, "a page is not zero")
          bytes[page * 4096] = UInt8(truncatingIfNeeded: choice) | 1
        }
      }
      try mapping.discard(in: 4096..<8192)
      mapping.withUnsafeBytes { bytes in
        t.expect(bytes[4096], equals: 0, "a page is not zero")
        t.expect(bytes[8192], equals: UInt8(truncatingIfNeeded: choice) | 1, "a page is lost")
      }
    } catch { t.fail("an operation on a range fails") }
  }
}

/// A timer that is started and cancelled, on whichever CPUs its thread is: each start ends in one of two ways.
private final class WorkerTimer: @unchecked Sendable {
  // Started and cancelled by one thread, the worker's.
  private let timer = Timer()
  private let fired = Atomic<Int>(0)
  private let started = Atomic<Int>(0)
  private let cancelled = Atomic<Int>(0)

  func use(_ t: TestContext, microseconds: UInt64) {
    end()
    check(t)
    _ = started.wrappingAdd(1, ordering: .relaxed)
    timer.start(
      at: MonotonicClock.nanoseconds + microseconds * 1_000,
      {
        Unmanaged<WorkerTimer>.fromOpaque($0)._withUnsafeGuaranteedRef {
          _ = $0.fired.wrappingAdd(1, ordering: .relaxed)
        }
      }, context: Unmanaged.passUnretained(self).toOpaque())
  }

  private func end() {
    if timer.cancel() { _ = cancelled.wrappingAdd(1, ordering: .relaxed) }
  }

  func check(_ t: TestContext) {
    end()
    t.expect(
      fired.load(ordering: .relaxed) + cancelled.load(ordering: .relaxed),
      equals: started.load(ordering: .relaxed), "ends of a timer")
  }
}
