import Machine

/// The queue of those who wait for a spin lock: first come, first served among the CPUs that run.
///
/// Each waits on the node of the one in front of it, and only the first of the queue, who has nobody
/// in front, tries the lock's word (a CLH queue behind a test-and-set word). Where there are more
/// virtual CPUs than real ones, the one whose turn it is may not be running. So whoever sees the lock
/// free for long while it waits takes it past the queue, and leaves its node there: the node says
/// who was in front, and the next one behind skips it. From then on the lock is anybody's, until the
/// head of the queue runs again and says so. Nobody waits for a CPU that does not run, unless that CPU
/// holds the lock. Modelled in `Models/SpinLock.pml`.
@usableFromInline
struct SpinLockQueue: ~Copyable, Sendable {
  /// The node of the last in the queue, 0 when the queue is empty.
  @usableFromInline let tail = Atomic<UInt64>(0)
  /// Not 0 while the head of the queue is taken not to run: a hint, without an order.
  private let isStuck = Atomic<UInt32>(0)

  @_transparent
  @usableFromInline
  init() {}

  /// How many turns a waiter sees the lock free before it takes it past the queue, 8 turns between two
  /// looks: the head of the queue, if it runs, needs one.
  private static let patience = 32
  /// For how many turns it does not try where others do.
  private static let courtesy = 4

  /// Waits until the lock is this CPU's, by reading, so that its line is not taken from the holder at
  /// every turn. Acquire on it pairs with the release of the last holder.
  @inline(__always)
  borrowing func wait(for lock: borrowing Atomic<UInt32>, interruptsAreOff: Bool) {
    guard let node = SpinLockNode.take() else { return spin(on: lock, interruptsAreOff) }
    // Release: whoever comes behind sees the node as waiting. Acquire: so does this CPU the one in
    // front.
    var front = SpinLockNode(tail.exchange(node.rawValue, ordering: .acquiringAndReleasing))
    var turn = 0
    var turnsFree = 0
    while let ahead = front {
      let word = ahead.word
      if word == SpinLockNode.waiting {
        turn &+= 1
        // Where the queue is stuck all try, but who has just come lets the others do so first.
        let isStuck = turn >= Self.courtesy && isStuck.load(ordering: .relaxed) != 0
        if isStuck || turn & 7 == 0 {
          turnsFree = lock.load(ordering: .relaxed) == 0 ? turnsFree + 8 : 0
          if turnsFree >= (isStuck ? 1 : Self.patience),
            lock.exchange(1, ordering: .acquiring) == 0
          {
            self.isStuck.store(1, ordering: .relaxed)
            return node.abandon(behind: ahead)
          }
        }
        SpinWait.turn(interruptsAreOff: interruptsAreOff)
      } else {
        ahead.free()
        front = word == SpinLockNode.granted ? nil : SpinLockNode(word)
      }
    }
    while lock.load(ordering: .relaxed) != 0 || lock.exchange(1, ordering: .acquiring) != 0 {
      if isStuck.load(ordering: .relaxed) != 0 { isStuck.store(0, ordering: .relaxed) }
      SpinWait.turn(interruptsAreOff: interruptsAreOff)
    }
    isStuck.store(0, ordering: .relaxed)
    // Release: whoever finds the queue empty, or the node granted, may use the node.
    let result = tail.compareExchange(
      expected: node.rawValue, desired: 0, ordering: .acquiringAndReleasing)
    if result.exchanged { node.free() } else { node.grant() }
  }

  /// Waits outside of the queue.
  @inline(__always)
  private borrowing func spin(on lock: borrowing Atomic<UInt32>, _ interruptsAreOff: Bool) {
    while lock.load(ordering: .relaxed) != 0 || lock.exchange(1, ordering: .acquiring) != 0 {
      SpinWait.turn(interruptsAreOff: interruptsAreOff)
    }
  }
}

/// A CPU's place in the queue of a lock: one word, in storage of the CPU's own.
struct SpinLockNode {
  /// What the word says beside these is the node in front of one that was abandoned.
  private static let free: UInt64 = 0
  static let waiting: UInt64 = 1
  static let granted: UInt64 = 2

  /// Nodes of each CPU. It waits with one in a thread and with one in an interrupt; others may still
  /// lie abandoned in queues.
  private static let count = 8

  private struct Word: ~Copyable {
    let value: Atomic<UInt64>
  }

  private let pointer: UnsafePointer<Word>

  /// The node's address.
  var rawValue: UInt64 { UInt64(UInt(bitPattern: pointer)) }

  /// The node with this address; `nil` for 0.
  @inline(__always)
  init?(_ rawValue: UInt64) {
    guard let pointer = UnsafePointer<Word>(bitPattern: UInt(rawValue)) else { return nil }
    self.pointer = pointer
  }

  /// Takes a free node of this CPU, now waiting; `nil` if there is none. A handler may come in
  /// between and take one for itself, hence the exchange.
  @inline(__always)
  static func take() -> SpinLockNode? {
    let first = UInt64(
      UInt(bitPattern: Processor.lockingStorage + LockingStorage.nodesOffset))
    for index in 0..<UInt64(count) {
      guard let node = SpinLockNode(first &+ index &* 8) else { return nil }
      // Acquire pairs with the release in `free`: the one behind has done with the node.
      if node.pointer.pointee.value.compareExchange(
        expected: free, desired: waiting, ordering: .acquiring
      ).exchanged {
        return node
      }
    }
    return nil
  }

  /// Acquire pairs with the releases in `grant` and `abandon`.
  @inline(__always)
  var word: UInt64 { pointer.pointee.value.load(ordering: .acquiring) }

  /// Gives the node back to its CPU; nobody looks at it any more.
  @inline(__always)
  func free() { pointer.pointee.value.store(Self.free, ordering: .releasing) }

  /// Tells the one behind that it is the first now.
  @inline(__always)
  func grant() { pointer.pointee.value.store(Self.granted, ordering: .releasing) }

  /// Tells the one behind to wait on `ahead` instead.
  @inline(__always)
  func abandon(behind ahead: SpinLockNode) {
    pointer.pointee.value.store(ahead.rawValue, ordering: .releasing)
  }
}
