import Machine

/// One value for each CPU, on cache lines of its own.
///
/// A global of this type has no memory until the boot CPU provides it, before any other CPU runs;
/// so a machine with few CPUs pays for few.
public struct CPULocal<Value: ~Copyable>: ~Copyable {
  private let base = BootConstant<UInt64>(0)

  /// Values that do not exist yet.
  public init() {}

  /// Bytes from one CPU's value to the next: whole pairs of lines, because CPUs fetch lines in
  /// pairs.
  public static var stride: Int { (MemoryLayout<Value>.stride + 127) & ~127 }

  /// Bytes that `count` CPUs need.
  public static func byteCount(for count: Int) -> Int { stride * count }

  /// Makes the values in `storage`, which is never freed and aligned to 128 bytes.
  public func initialize(
    in storage: UnsafeMutableRawPointer, count: Int, _ makeValue: (CPU) -> Value
  ) {
    for index in 0..<count {
      (storage + index * Self.stride).bindMemory(to: Value.self, capacity: 1)
        .initialize(to: makeValue(CPU(index: index)))
    }
    base.set(UInt64(UInt(bitPattern: storage)))
  }

  /// Whether the values exist.
  @inline(__always)
  public var isInitialized: Bool { base.value != 0 }

  /// Where a CPU's value is. The values are shared memory: what another CPU may touch must be
  /// atomic.
  @inline(__always)
  public func pointer(for cpu: CPU) -> UnsafeMutablePointer<Value> {
    let address = UInt(base.value) &+ UInt(cpu.index &* Self.stride)
    guard let pointer = UnsafeMutablePointer<Value>(bitPattern: address) else {
      fatalError("CPU-local storage is used before it exists")
    }
    return pointer
  }

  /// The value of the CPU that executes the call, where the thread cannot be moved to another one:
  /// with preemption disabled, interrupts off, or in an interrupt. Good until that ends; checked
  /// builds trap where none of them holds. `withCurrent` is the safer form.
  @inline(__always)
  public var current: UnsafeMutablePointer<Value> {
    #if CHECKED
    precondition(
      Processor.preemptionCount > 0 || !Processor.interruptsAreEnabled || Processor.isInInterrupt,
      "a CPU's own storage is used where the thread may be moved to another CPU")
    #endif
    return pointer(for: .current)
  }

  /// Like `current`, and `nil` before the values exist.
  @inline(__always)
  public var currentIfInitialized: UnsafeMutablePointer<Value>? {
    // One load of the address, for hot paths.
    guard let first = UnsafeMutableRawPointer(bitPattern: UInt(base.value))
    else { return nil }
    #if CHECKED
    _ = current
    #endif
    return (first + Processor.index &* Self.stride).assumingMemoryBound(to: Value.self)
  }

  /// Runs `body` on the value of the CPU that executes the call, and keeps the thread there: nothing
  /// in `body` may sleep. Interrupts still come; a handler that uses the same value needs interrupts
  /// off instead. Checked builds trap when `body` ends on another CPU than it began on.
  @inline(__always)
  public func withCurrent<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    Processor.disablePreemption()
    #if CHECKED
    let index = Processor.index
    #endif
    defer {
      #if CHECKED
      precondition(
        Processor.index == index && Processor.preemptionCount > 0,
        "a CPU's own storage is left on another CPU than it was entered on")
      #endif
      Processor.enablePreemption()
    }
    // A constant of its own: ThreadSanitizer takes the whole expression for a write to the base.
    let value = pointer(for: .current)
    return try body(&value.pointee)
  }
}

extension CPULocal: @unchecked Sendable where Value: ~Copyable {}
