import Machine

/// A value of a few words that is read often and written seldom: readers write nothing at all, and
/// read again when a writer came in between.
///
/// The class says as for a `SpinLock` where the value may be written, and where it may be read: a
/// reader waits for a writer, so what interrupts read must be `InterruptSafe`. `Value` is plain data
/// of whole words. Modelled in `Models/SeqLock.pml`.
public struct SeqLock<Class: LockClass, Value: BitwiseCopyable>: ~Copyable {
  /// Odd while a writer is at it.
  @usableFromInline let sequence = Atomic<UInt64>(0)
  /// Writers keep each other out.
  @usableFromInline let writers = SpinLockCore()
  @usableFromInline let storage: LockedStorage<Value>

  /// Creates a lock around `value`.
  @_transparent
  public init(_ value: consuming sending Value) { storage = LockedStorage(value) }

  @usableFromInline
  struct Word: ~Copyable {
    @usableFromInline let value: Atomic<UInt64>
  }

  /// The words of the value; atomics, since a reader may look while they are written.
  @inline(__always)
  @usableFromInline
  var words: UnsafePointer<Word> {
    UnsafeRawPointer(storage.address).assumingMemoryBound(to: Word.self)
  }

  @inline(__always)
  @usableFromInline
  static var wordCount: Int {
    precondition(
      MemoryLayout<Value>.size % 8 == 0 && MemoryLayout<Value>.alignment == 8,
      "the value of a sequence lock consists of whole words")
    return MemoryLayout<Value>.size / 8
  }

  /// The value, as some writer left it. For `ThreadOnly` classes not in interrupts; not while the lock
  /// is written by the same CPU. Two loads more than the value has words, while nobody writes.
  @inline(__always)
  public borrowing func read() -> Value {
    #if CHECKED
    HeldLocks.willRead(writers.address, LockIdentity(Class.self))
    #endif
    return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.wordCount) { copy in
      while true {
        // Acquire pairs with the release at the end of `write`: the words are at least as new.
        let before = sequence.load(ordering: .acquiring)
        for index in 0..<Self.wordCount {
          // Acquire pairs with the release in `write`: with a word of a later writer comes the
          // sequence that this writer has set, and the second look at it is not made too early.
          copy.initializeElement(
            at: index, to: words[index].value.load(ordering: .acquiring))
        }
        if before & 1 == 0 && sequence.load(ordering: .relaxed) == before { break }
        SpinWait.turn()
      }
      return UnsafeRawBufferPointer(copy).load(as: Value.self)
    }
  }

  /// Changes the value; what keeps others away from this CPU is the caller's part.
  @inline(__always)
  @usableFromInline
  borrowing func update<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    writers.acquire(Class.self)
    defer { writers.release(Class.self) }
    // No other CPU writes, so this one may read plainly.
    var value = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.wordCount) { copy in
      for index in 0..<Self.wordCount {
        copy.initializeElement(at: index, to: words[index].value.load(ordering: .relaxed))
      }
      return UnsafeRawBufferPointer(copy).load(as: Value.self)
    }
    let result = try body(&value)
    let before = sequence.load(ordering: .relaxed)
    sequence.store(before &+ 1, ordering: .relaxed)
    withUnsafeBytes(of: value) { bytes in
      for index in 0..<Self.wordCount {
        words[index].value.store(
          bytes.load(fromByteOffset: index * 8, as: UInt64.self), ordering: .releasing)
      }
    }
    sequence.store(before &+ 2, ordering: .releasing)
    return result
  }
}

// All that several CPUs may touch at once is atomic.
extension SeqLock: @unchecked Sendable {}

extension SeqLock where Class.Context == ThreadOnly {
  /// Changes the value. Readers wait for the copy, not for `body`. Not in interrupts.
  @inline(__always)
  public borrowing func write<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withPreemptionDisabled { () throws(Failure) in try update(body) }
  }
}

extension SeqLock where Class.Context == InterruptSafe {
  /// Changes the value with interrupts off. Readers wait for the copy, not for `body`. Any context.
  @inline(__always)
  public borrowing func writeWithInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withInterruptsDisabled { () throws(Failure) in try update(body) }
  }

  /// Changes the value where interrupts are off already.
  @inline(__always)
  public borrowing func write<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try update(body)
  }
}
