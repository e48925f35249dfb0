import Apus
import Boot
import CBenchmarks
import Locking
import Machine

/// What one CPU brings to a cell. What it is made of lies on lines of its own.
struct Participant {
  /// How often an operation is done in a window.
  static let roundCount = 8

  enum OwnLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AddressSpaceLevel
    static var name: StaticString { "matrix" }
  }

  static let commonLock = SpinLock<OwnLock, Int>(0)
  private static let commonSemaphore = Semaphore(0)

  let cpu: CPU
  private(set) var design = MatrixDesign.apus
  private(set) var arguments = MatrixArguments.apart
  private(set) var operation = MatrixOperation.lock
  /// What the other half of the CPUs does.
  private(set) var otherOperation = MatrixOperation.lock

  /// The range, frame or block of each round.
  let places: UnsafeMutablePointer<UInt64>
  private let threads: UnsafeMutablePointer<Thread>
  private let timers: UnsafeMutablePointer<Timer>
  private let semaphores: UnsafeMutablePointer<Semaphore>
  private let lock: UnsafeMutablePointer<SpinLock<OwnLock, Int>>

  init(cpu: CPU) {
    self.cpu = cpu
    places = Self.allocate()
    places.initialize(repeating: 0, count: Self.roundCount)
    threads = Self.allocate()
    timers = Self.allocate()
    semaphores = Self.allocate()
    lock = Self.allocate()
    lock.initialize(to: SpinLock(0))
    forEachRound { round in
      (timers + round).initialize(to: Timer())
      (semaphores + round).initialize(to: Semaphore(0))
      (threads + round).initialize(to: Threads.spawn(on: CPUSet(cpu)) {})
    }
    forEachRound { threads[$0].join() }
  }

  /// Says which memory is what, so that lines have names. Memory for a thread's record is taken again by the
  /// next thread.
  func printObjects() {
    let name = "of CPU \(cpu.index)"
    Self.printObject(UInt(bitPattern: semaphores), 4096, "semaphores \(name)")
    Self.printObject(UInt(bitPattern: timers), 4096, "timers \(name)")
    Self.printObject(UInt(bitPattern: lock), 4096, "lock \(name)")
    for round in 0..<Self.roundCount {
      let thread = unsafeBitCast(threads[round], to: UInt.self)
      Self.printObject(
        thread, benchmark_block_size(thread),
        "record of thread \(round) that CPU \(cpu.index) starts")
    }
  }

  private static func printObject(_ start: UInt, _ byteCount: UInt, _ name: String) {
    print("object \(start) \(byteCount) \(name)")
  }

  /// Room for a value for each round, in pages of its own.
  private static func allocate<Value: ~Copyable>() -> UnsafeMutablePointer<Value> {
    UnsafeMutableRawPointer.allocate(
      byteCount: (MemoryLayout<Value>.stride * roundCount + 4095) & ~4095, alignment: 4096
    ).bindMemory(to: Value.self, capacity: roundCount)
  }

  mutating func begin(
    _ design: MatrixDesign, _ arguments: MatrixArguments, _ operation: MatrixOperation,
    beside otherOperation: MatrixOperation
  ) {
    self.design = design
    self.arguments = arguments
    self.operation = operation
    self.otherOperation = otherOperation
  }

  // MARK: The operations

  /// Does the operation once. Everything that may fail here may do so because another CPU did the same.
  @inline(__always)
  func perform(_ round: Int) {
    switch operation {
    case .fault, .map, .unmap, .protect, .query:
      MatrixRanges.perform(operation, self, round)
    case .frameAllocate: places[round] = Frames.take().rawValue
    case .frameFree: Frames.give(.init(places[round]))
    case .heapAllocate: places[round] = UInt64(benchmark_use_block(64))
    case .heapFree: benchmark_leave_block(UInt(places[round]))
    case .spawn: (threads + round).initialize(to: Threads.spawn(on: CPUSet(target)) {})
    case .wake:
      if arguments == .equal { Self.commonSemaphore.signal() } else { semaphores[round].signal() }
    case .timerSet: setTimer(round)
    case .timerCancel: timers[round].cancel()
    case .lock:
      if arguments == .equal {
        Self.commonLock.withLock { $0 += 1 }
      } else {
        lock.pointee.withLock { $0 += 1 }
      }
    }
  }

  /// The CPU on which threads are to run.
  private var target: CPU { arguments == .equal ? CPU(index: 0) : cpu }

  /// For a time that does not come.
  private func setTimer(_ round: Int) {
    timers[round].start(at: 1 << 62, { _ in }, context: UnsafeMutableRawPointer(places))
  }

  // MARK: Before and after

  /// Makes what the operation needs.
  func prepare(meetings: inout ConflictMatrix.Meetings) {
    Frames.fillCache()
    switch operation {
    case .fault, .map, .unmap, .protect, .query: break
    case .frameAllocate: break
    case .frameFree: forEachRound { places[$0] = Frames.take().rawValue }
    case .heapAllocate:
      forEachRound { places[$0] = UInt64(benchmark_use_block(64)) }
      forEachRound { benchmark_leave_block(UInt(places[$0])) }
    case .heapFree: forEachRound { places[$0] = UInt64(benchmark_use_block(64)) }
    case .spawn: break
    case .wake: forEachRound { startWaiter($0) }
    case .timerSet: forEachRound { timers[$0].cancel() }
    case .timerCancel: forEachRound { setTimer($0) }
    case .lock: break
    }
    MatrixRanges.prepare(self)
    // The threads that are to wait do so by then: each has its turn at every meeting.
    for _ in 0..<4 { meetings.wait() }
  }

  private func startWaiter(_ round: Int) {
    let thread: Thread
    if arguments == .equal {
      thread = Threads.spawn(on: CPUSet(target)) { Self.commonSemaphore.wait() }
    } else {
      let semaphore = Waited(semaphore: semaphores + round)
      thread = Threads.spawn(on: CPUSet(target)) { semaphore.semaphore.pointee.wait() }
    }
    (threads + round).initialize(to: thread)
  }

  /// A semaphore in memory that stays.
  private struct Waited: @unchecked Sendable {
    let semaphore: UnsafeMutablePointer<Semaphore>
  }

  /// Takes away what is there.
  func finish() {
    switch operation {
    case .fault, .map, .unmap, .protect, .query: MatrixRanges.finish(self)
    case .frameAllocate: forEachRound { Frames.give(.init(places[$0])) }
    case .heapAllocate: forEachRound { benchmark_leave_block(UInt(places[$0])) }
    case .spawn, .wake: forEachRound { threads[$0].join() }
    case .timerSet: forEachRound { timers[$0].cancel() }
    case .frameFree, .heapFree, .timerCancel, .lock: break
    }
  }

  private func forEachRound(_ body: (Int) -> Void) {
    for round in 0..<Self.roundCount { body(round) }
  }
}
