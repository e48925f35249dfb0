import Machine
import PerCPU
import Scheduler

/// Threads that do tasks, in the order in which they were given.
///
///     let pool = TaskPool()
///     let digest = pool.submit { file.digest() }
///     print(digest.value)
///     pool.finish()
///
/// For many small things to be done once; a loop over numbers is `parallelFor`. In threads only.
public final class TaskPool: @unchecked Sendable {
  // What is shared is in the queue; the threads are those of the initialiser and of `finish`.

  private let queue: TaskQueue
  private var workers: [Thread] = []

  /// A pool of so many threads, one for each CPU of `cpus` if nothing else is said, at least 1.
  public init(workerCount: Int? = nil, on cpus: CPUSet = .online) throws(ThreadError) {
    let count = workerCount ?? cpus.intersection(.online).count
    precondition(count > 0, "a pool has at least one thread")
    queue = TaskQueue(workerCount: count)
    for _ in 0..<count {
      workers.append(try Thread.spawn(name: "pool", affinity: cpus) { [queue] in queue.work() })
    }
  }

  deinit {
    queue.close()
    for worker in workers { worker.detach() }
  }

  /// Gives the pool something to do; the result is asked of what is returned. From any thread, tasks of the
  /// pool included, and not after `finish`.
  @discardableResult
  public func submit<Result: Sendable>(
    _ body: @escaping @Sendable () -> Result
  ) -> PoolTask<Result> {
    let task = PoolTask<Result>()
    let work = PoolWork { task.finish(body()) }
    task.work = work
    queue.add(work)
    return task
  }

  /// Waits until all tasks are done, those included that tasks still give, and ends the threads. By one
  /// thread, once.
  public func finish() {
    queue.close()
    for worker in workers { worker.join() }
    workers = []
  }
}

/// Something that a pool was given to do, and its result.
public final class PoolTask<Result: Sendable>: @unchecked Sendable {
  // Set before others see the task.
  fileprivate var work: PoolWork?
  /// Written once, by whoever does the task, before `isDone`.
  private var result: Result?
  private let isDone = Atomic<UInt32>(0)
  private let waiters = WaitQueue<UInt8>(0)

  fileprivate func finish(_ result: Result) {
    self.result = result
    // Release: who sees that it is done sees the result.
    isDone.store(1, ordering: .releasing)
    waiters.wakeAll()
  }

  /// Waits for the result. A task that nobody has begun is done by the caller: so tasks may wait for tasks,
  /// however many threads there are.
  public var value: Result {
    if isDone.load(ordering: .acquiring) == 0 {
      work?.doOnce()
      waiters.wait(unless: { _ in isDone.load(ordering: .acquiring) == 1 })
    }
    guard let result else { fatalError("a task that is done has no result") }
    return result
  }
}

/// A task as the pool's threads see it.
final class PoolWork: @unchecked Sendable {
  /// Of whoever does it. It holds the task, which holds this: so it goes when it was done, or both would stay for
  /// ever.
  private var body: (() -> Void)?
  /// Of whoever has the queue's lock, then of whoever took it out.
  var next: PoolWork?
  private let isClaimed = Atomic<UInt32>(0)

  init(_ body: @escaping () -> Void) { self.body = body }

  /// Does it, if nobody has begun to.
  func doOnce() {
    guard isClaimed.exchange(1, ordering: .relaxed) == 0 else { return }
    body?()
    body = nil
  }
}

/// The tasks that wait. A thread takes as many at once as leave enough for the others.
final class TaskQueue: Sendable {
  private struct State {
    var first: PoolWork?
    var last: PoolWork?
    var count = 0
    /// Threads that do tasks, which may give the pool more to do.
    var working = 0
    var isClosed = false
  }

  private let workerCount: Int
  private let state = Mutex<State>(State())
  private let changed = Condition()

  init(workerCount: Int) { self.workerCount = workerCount }

  func add(_ work: PoolWork) {
    state.withLock { state in
      precondition(
        !state.isClosed || state.working > 0, "a pool that has finished is given something to do")
      if let last = state.last { last.next = work } else { state.first = work }
      state.last = work
      state.count += 1
    }
    changed.signal()
  }

  func close() {
    state.withLock { $0.isClosed = true }
    changed.broadcast()
  }

  /// What each thread of the pool does.
  func work() {
    var isWorking = false
    while let first = take(isWorking: isWorking) {
      isWorking = true
      var next: PoolWork? = first
      while let work = next {
        next = work.next
        work.next = nil
        work.doOnce()
      }
    }
  }

  /// Takes the first tasks, linked: half of what each thread would get, or one. `nil` at the end. The thread
  /// says whether it has done what it took before.
  private func take(isWorking: Bool) -> PoolWork? {
    state.withGuard { guarded in
      if isWorking { guarded.state.working -= 1 }
      while guarded.state.first == nil {
        if guarded.state.isClosed && guarded.state.working == 0 {
          // The others wait for the same.
          changed.broadcast()
          return nil
        }
        changed.wait(guarded)
      }
      guarded.state.working += 1
      let count = Swift.max(guarded.state.count / (2 * workerCount), 1)
      let first = guarded.state.first
      var last = first
      for _ in 1..<count { last = last?.next }
      guarded.state.first = last?.next
      if guarded.state.first == nil { guarded.state.last = nil }
      last?.next = nil
      guarded.state.count -= count
      return first
    }
  }
}
