import Machine

/// A value of which each thread has one of its own.
///
///     static let depth = ThreadLocal { 0 }
///
/// A thread's value is made when it first asks for it, and destroyed when the thread ends. Meant for
/// constants of the whole program: each takes a number that is never used again.
public struct ThreadLocal<Value>: ~Copyable, Sendable {
  /// Which slot of a thread's table it is; 0 until the first use. The slot 0 is always empty.
  private let number = Atomic<UInt32>(0)
  private let makeInitial: @Sendable () -> Value

  /// A value that is `makeInitial()` for each thread at first.
  public init(_ makeInitial: @escaping @Sendable () -> Value) {
    self.makeInitial = makeInitial
  }

  /// The calling thread's value. Not in interrupts.
  @inline(__always)
  public var value: Value {
    get { address.pointee }
    nonmutating _modify { yield &address.pointee }
  }

  /// Where the calling thread's value is, until the thread ends. Not in interrupts. 16 instructions, but at
  /// the thread's first use.
  @inline(__always)
  private var address: UnsafeMutablePointer<Value> {
    let thread = Scheduler.currentRecord
    if let value = thread.pointee.locals.value(Int(number.load(ordering: .relaxed))) {
      return value.assumingMemoryBound(to: Value.self)
    }
    return make(for: thread)
  }

  @inline(never)
  private borrowing func make(
    for thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<Value> {
    var own = number.load(ordering: .relaxed)
    if own == 0 {
      let next = ThreadLocals.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
      let result = number.compareExchange(expected: 0, desired: next, ordering: .relaxed)
      own = result.exchanged ? next : result.original
    }
    let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    value.initialize(to: makeInitial())
    thread.pointee.locals.add(value, number: Int(own)) { value in
      let value = value.assumingMemoryBound(to: Value.self)
      value.deinitialize(count: 1)
      value.deallocate()
    }
    return value
  }
}

/// The values of one thread, by number. Only the thread itself uses it.
struct ThreadLocals {
  /// The highest number that any `ThreadLocal` has.
  static let lastNumber = Atomic<UInt32>(0)

  private struct Slot {
    var value: UnsafeMutableRawPointer?
    var destroy: (UnsafeMutableRawPointer) -> Void
  }

  private var slots: UnsafeMutablePointer<Slot>?
  private var count = 0

  /// A thread's value, if it has one.
  @inline(__always)
  func value(_ number: Int) -> UnsafeMutableRawPointer? {
    guard number < count, let slots else { return nil }
    return slots[number].value
  }

  mutating func add(
    _ value: UnsafeMutableRawPointer, number: Int,
    _ destroy: @escaping (UnsafeMutableRawPointer) -> Void
  ) {
    if number >= count { grow(toHold: number) }
    slots?[number].value = value
    slots?[number].destroy = destroy
  }

  private mutating func grow(toHold number: Int) {
    let larger = UnsafeMutablePointer<Slot>.allocate(capacity: (number | 7) + 1)
    if let slots {
      larger.moveInitialize(from: slots, count: count)
      slots.deallocate()
    }
    for index in count...(number | 7) {
      (larger + index).initialize(to: Slot(value: nil, destroy: { _ in }))
    }
    slots = larger
    count = (number | 7) + 1
  }

  /// Destroys all values, of the running thread, before it ends.
  @inline(__always)
  static func destroyAll(of thread: UnsafeMutablePointer<ThreadRecord>) {
    if thread.pointee.locals.slots != nil { destroyRest(of: thread) }
  }

  @inline(never)
  private static func destroyRest(of thread: UnsafeMutablePointer<ThreadRecord>) {
    // What a value's end makes anew is destroyed in turn.
    while let slots = thread.pointee.locals.slots {
      let count = thread.pointee.locals.count
      thread.pointee.locals = ThreadLocals()
      for index in 0..<count {
        if let value = slots[index].value { slots[index].destroy(value) }
      }
      slots.deinitialize(count: count)
      slots.deallocate()
    }
  }
}
