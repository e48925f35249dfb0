import Locking
import Machine

/// A reader-writer lock without the state that it guards. Modelled in `Models/RWLock.pml`.
@usableFromInline
struct RWLockCore: ~Copyable, Sendable {
  /// `writer`, `queued`, and the number of readers times `reader`. With `queued` set, nobody takes the lock
  /// but by what `handOver` stores.
  @usableFromInline let word = Atomic<UInt64>(0)
  private let queue = WaitQueue<UInt8>(0)

  /// A thread may change the state.
  private static let writer: UInt64 = 1
  /// Set when a thread enters the queue, and cleared when the last one is taken out: only with the
  /// queue's lock held.
  private static let queued: UInt64 = 2
  private static let reader: UInt64 = 4

  /// What a thread in the queue waits for.
  private static let toRead: UInt = 0
  private static let toWrite: UInt = 1

  /// How often a thread looks at the lock before it queues.
  private static let spinLimit = 50

  @_transparent
  @usableFromInline
  init() {}

  /// Returns false if the deadline passed first.
  @inline(__always)
  @usableFromInline
  borrowing func acquireForReading(until deadline: UInt64) -> Bool {
    Switch.checkMaySwitch()
    let seen = word.load(ordering: .relaxed)
    // Acquire pairs with the release of the last writer, here and below.
    if seen & (Self.writer | Self.queued) == 0,
      word.compareExchange(expected: seen, desired: seen &+ Self.reader, ordering: .acquiring)
        .exchanged
    {
      return true
    }
    return acquireInTurn(Self.toRead, until: deadline)
  }

  @inline(__always)
  @usableFromInline
  borrowing func releaseAfterReading() {
    // Release: the next writer does not write before this thread has read.
    let before = word.wrappingSubtract(Self.reader, ordering: .releasing).oldValue
    if before == Self.reader | Self.queued { handOver(from: 0) }
  }

  /// Returns false if the deadline passed first.
  @inline(__always)
  @usableFromInline
  borrowing func acquireForWriting(until deadline: UInt64) -> Bool {
    Switch.checkMaySwitch()
    if word.compareExchange(expected: 0, desired: Self.writer, ordering: .acquiring).exchanged {
      return true
    }
    return acquireInTurn(Self.toWrite, until: deadline)
  }

  @inline(__always)
  @usableFromInline
  borrowing func releaseAfterWriting() {
    if word.compareExchange(expected: Self.writer, desired: 0, ordering: .releasing).exchanged {
      return
    }
    handOver(from: Self.writer)
  }

  /// Looks for a while, then queues until the lock is handed over.
  @inline(never)
  @usableFromInline
  borrowing func acquireInTurn(_ purpose: UInt, until deadline: UInt64) -> Bool {
    for _ in 0..<Self.spinLimit {
      let seen = word.load(ordering: .relaxed)
      if seen & Self.queued != 0 { break }
      if take(purpose, seen) { return true }
      SpinWait.turn()
    }
    // Whoever hands the lock over does so before it wakes, which orders what the last writer wrote.
    let hasLock = queue.waitInTurn(
      until: deadline, as: purpose,
      unless: { _ in
        while true {
          let seen = word.load(ordering: .relaxed)
          // Whoever leaves last looks into the queue, in which this thread is when its lock is free.
          if seen & Self.queued != 0 { return false }
          if isFree(purpose, seen) {
            if take(purpose, seen) { return true }
          } else if word.compareExchange(
            expected: seen, desired: seen | Self.queued, ordering: .relaxed
          ).exchanged {
            return false
          }
          Processor.pause()
        }
      })
    if !hasLock { admitReaders() }
    return hasLock
  }

  @inline(__always)
  private borrowing func isFree(_ purpose: UInt, _ seen: UInt64) -> Bool {
    purpose == Self.toRead ? seen & Self.writer == 0 : seen == 0
  }

  @inline(__always)
  private borrowing func take(_ purpose: UInt, _ seen: UInt64) -> Bool {
    if !isFree(purpose, seen) { return false }
    let taken = purpose == Self.toRead ? seen &+ Self.reader : Self.writer
    return word.compareExchange(expected: seen, desired: taken, ordering: .acquiring).exchanged
  }

  /// Gives the lock to the first in the queue. By the one who left last, `holder` being what it has left
  /// in the word.
  @inline(never)
  @usableFromInline
  borrowing func handOver(from holder: UInt64) {
    // Acquire pairs with the releases of all readers that have left: a writer that this thread wakes comes after
    // each of them, not only after the last.
    let seen = word.load(ordering: .acquiring)
    precondition(seen == holder | Self.queued, "a lock is given back that nobody has")
    var admitted: UInt64 = 0
    queue.wake(while: { _, first in
      if admitted == Self.writer { return false }
      guard let first, first.purpose == Self.toRead || admitted == 0 else {
        // Plain stores: with `queued` set and nobody inside, nobody else changes the word.
        word.store(admitted | (first == nil ? 0 : Self.queued), ordering: .releasing)
        return false
      }
      if first.purpose == Self.toRead {
        admitted &+= Self.reader
      } else {
        admitted = Self.writer
        word.store(admitted | (first.isLast ? 0 : Self.queued), ordering: .releasing)
      }
      return true
    })
  }

  /// Lets readers in that are first in the queue while others read: the writer that was before them, whose
  /// time is over, has left the queue.
  @inline(never)
  private borrowing func admitReaders() {
    queue.wake(while: { _, first in
      if let first, first.purpose == Self.toWrite { return false }
      var seen = word.load(ordering: .relaxed)
      while true {
        // Without a reader inside, whoever left last is on its way to hand the lock over.
        if seen & Self.writer != 0 || seen < Self.reader { return false }
        var next = first == nil ? seen : seen &+ Self.reader
        if first == nil || first?.isLast == true { next &= ~Self.queued }
        let result = word.compareExchange(
          expected: seen, desired: next, ordering: .acquiringAndReleasing)
        if result.exchanged { return first != nil }
        seen = result.original
        Processor.pause()
      }
    })
  }
}
