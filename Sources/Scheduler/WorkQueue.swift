import Machine
import PerCPU

/// Work, as the queues know it. Modelled in `Models/DeferredWork.pml`.
struct WorkRecord: ~Copyable {
  /// What is to become of it: the bits below, and above them the CPU that does it; 0 if nothing is.
  ///
  /// `scheduled` without `running`: it is in that CPU's queue, whose lock is held where this begins or ends.
  /// `running`: that CPU's thread has it, and puts it back if it is scheduled meanwhile, by any CPU.
  let state = Atomic<UInt64>(0)
  let body: @Sendable () -> Void
  /// Guarded by the lock of the queue in which it is.
  var next: UnsafeMutablePointer<WorkRecord>?

  static let scheduled: UInt64 = 1
  static let running: UInt64 = 2
  /// Somebody waits for the end of this run.
  static let awaited: UInt64 = 4

  @inline(__always)
  static func cpu(of state: UInt64) -> CPU { CPU(index: Int(state >> 8)) }

  @inline(__always)
  static func word(_ cpu: CPU, _ bits: UInt64) -> UInt64 { UInt64(cpu.index) << 8 | bits }

  init(_ body: @escaping @Sendable () -> Void) { self.body = body }

  /// Changes the state; returns the one before. Acquire and release: what was written by whoever changed it
  /// before is seen by whoever changes it after, also where it stays the same.
  @inline(__always)
  @discardableResult
  func change(_ next: (UInt64) -> UInt64) -> UInt64 {
    var seen = state.load(ordering: .relaxed)
    while true {
      let result = state.compareExchange(
        expected: seen, desired: next(seen), ordering: .acquiringAndReleasing)
      if result.exchanged { return seen }
      seen = result.original
      Processor.pause()
    }
  }
}

/// Work that waits for a CPU's thread, first come first.
struct WorkList {
  private var first: UnsafeMutablePointer<WorkRecord>?
  private var last: UnsafeMutablePointer<WorkRecord>?

  mutating func append(_ record: UnsafeMutablePointer<WorkRecord>) {
    record.pointee.next = nil
    if let last { last.pointee.next = record } else { first = record }
    last = record
  }

  mutating func takeFirst() -> UnsafeMutablePointer<WorkRecord>? {
    guard let record = first else { return nil }
    first = record.pointee.next
    if first == nil { last = nil }
    return record
  }

  /// Takes work out that is in the list.
  mutating func remove(_ record: UnsafeMutablePointer<WorkRecord>) {
    if first == record {
      _ = takeFirst()
      return
    }
    var previous = first
    while let current = previous {
      if current.pointee.next == record {
        current.pointee.next = record.pointee.next
        if last == record { last = current }
        return
      }
      previous = current.pointee.next
    }
  }
}

/// A CPU's work.
struct WorkQueue: ~Copyable {
  /// What is to be done; in the queue are those who wait for the end of a run.
  let list = WaitQueue<WorkList>(WorkList())
  /// A permit for each time that something was put in: more than there is, if work was taken back.
  let permits = Semaphore(0)
  /// The thread that does it; 0 before it runs.
  let thread = Atomic<UInt64>(0)
}

/// All CPUs' work.
enum WorkQueues {
  /// Where the CPUs' queues are, on lines of their own; 0 before there is work.
  private static let place = Atomic<UInt64>(0)
  private static let start = Once()
  /// How many CPUs have their threads, in the order of the CPUs. Written inside of `start`.
  private static let threadCount = Atomic<Int>(0)

  private static var stride: Int { (MemoryLayout<WorkQueue>.stride + 127) & ~127 }

  /// Makes the queues and their threads, if there are none. In threads.
  static func prepare() throws(ThreadError) {
    try start.run { () throws(ThreadError) in
      // Once more after an error: what was made stays.
      if place.load(ordering: .relaxed) == 0 { makeQueues() }
      for (number, cpu) in CPUSet.online.enumerated()
      where number >= threadCount.load(ordering: .relaxed) {
        try Thread.spawn(name: "work", priority: .urgent, affinity: CPUSet(cpu)) {
          queue(of: cpu).pointee.thread.store(word(Scheduler.currentRecord), ordering: .relaxed)
          while true { doOne(cpu) }
        }.detach()
        threadCount.store(number + 1, ordering: .relaxed)
      }
    }
  }

  static func makeQueues() {
    let count = CPU.count
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * stride, alignment: 128)
    for index in 0..<count {
      (memory + index * stride).bindMemory(to: WorkQueue.self, capacity: 1)
        .initialize(to: WorkQueue())
    }
    place.store(UInt64(UInt(bitPattern: memory)), ordering: .releasing)
  }

  private static func word(_ thread: UnsafeMutablePointer<ThreadRecord>) -> UInt64 {
    UInt64(UInt(bitPattern: thread))
  }

  @inline(__always)
  static func queue(of cpu: CPU) -> UnsafeMutablePointer<WorkQueue> {
    let address = UInt(place.load(ordering: .acquiring)) &+ UInt(cpu.index &* stride)
    guard let queue = UnsafeMutablePointer<WorkQueue>(bitPattern: address) else {
      fatalError("work is scheduled before there are queues")
    }
    return queue
  }

  /// With interrupts off.
  @inline(never)
  static func schedule(
    _ record: UnsafeMutablePointer<WorkRecord>, _ proof: borrowing InterruptsDisabled
  ) -> Bool {
    let own = CPU.current
    let queue = queue(of: own)
    let before = queue.pointee.list.withState(interruptsDisabled: proof) { list in
      let before = record.pointee.change { state in
        state == 0 ? WorkRecord.word(own, WorkRecord.scheduled) : state | WorkRecord.scheduled
      }
      if before == 0 { list.append(record) }
      return before
    }
    if before == 0 { queue.pointee.permits.signal() }
    return before & WorkRecord.scheduled == 0
  }

  /// Waits for work of a CPU and does it. By its thread.
  static func doOne(_ cpu: CPU) {
    let queue = queue(of: cpu)
    queue.pointee.permits.wait()
    let record = queue.pointee.list.withState { list in
      let record = list.takeFirst()
      record?.pointee.change { _ in WorkRecord.word(cpu, WorkRecord.running) }
      return record
    }
    // It may have been taken back.
    guard let record else { return }
    record.pointee.body()
    end(record, queue, cpu)
  }

  /// Puts the work back if it was scheduled meanwhile, and wakes those who wait for the end. The work may be gone
  /// when the lock is given back.
  private static func end(
    _ record: UnsafeMutablePointer<WorkRecord>, _ queue: UnsafeMutablePointer<WorkQueue>, _ cpu: CPU
  ) {
    var before: UInt64?
    queue.pointee.list.wake(while: { list, waiter in
      let state =
        before
        ?? record.pointee.change { state in
          state & WorkRecord.scheduled != 0 ? WorkRecord.word(cpu, WorkRecord.scheduled) : 0
        }
      if before == nil, state & WorkRecord.scheduled != 0 { list.append(record) }
      before = state
      // Whoever waits for another run looks, and waits again.
      return state & WorkRecord.awaited != 0 && waiter != nil
    })
    if let before, before & WorkRecord.scheduled != 0 { queue.pointee.permits.signal() }
  }

  /// In threads.
  @discardableResult
  static func cancel(_ record: UnsafeMutablePointer<WorkRecord>) -> Bool {
    var isTakenBack = false
    while true {
      let seen = record.pointee.state.load(ordering: .acquiring)
      if seen == 0 { return isTakenBack }
      let queue = queue(of: WorkRecord.cpu(of: seen))
      let mustWait: Bool? = queue.pointee.list.withState { list in
        if WorkRecord.cpu(of: record.pointee.state.load(ordering: .relaxed))
          != WorkRecord.cpu(of: seen)
        {
          return nil
        }
        let before = record.pointee.change { state in
          state & WorkRecord.running == 0
            ? 0 : state & ~WorkRecord.scheduled | WorkRecord.awaited
        }
        if before & WorkRecord.scheduled != 0 { isTakenBack = true }
        if before & WorkRecord.running != 0 { return true }
        if before != 0 { list.remove(record) }
        return false
      }
      switch mustWait {
      case nil: Processor.pause()
      case false?: return isTakenBack
      case true?:
        precondition(
          queue.pointee.thread.load(ordering: .relaxed) != word(Scheduler.currentRecord),
          "deferred work waits for its own end")
        queue.pointee.list.wait(unless: { _ in
          record.pointee.state.load(ordering: .acquiring) & WorkRecord.awaited == 0
        })
        return isTakenBack
      }
    }
  }
}
