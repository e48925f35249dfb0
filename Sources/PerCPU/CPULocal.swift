import Machine

/// One value for each CPU, on cache lines of its own.
///
/// A global of this type has no memory until the boot CPU provides it, before any other CPU runs;
/// so a machine with few CPUs pays for few.
public struct CPULocal<Value: ~Copyable>: ~Copyable {
  // Written once by the boot CPU before any other runs.
  private let base = Atomic<UInt64>(0)

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
    base.store(UInt64(UInt(bitPattern: storage)), ordering: .releasing)
  }

  /// Whether the values exist.
  @inline(__always)
  public var isInitialized: Bool { base.load(ordering: .relaxed) != 0 }

  /// Where a CPU's value is. The values are shared memory: what another CPU may touch must be
  /// atomic.
  @inline(__always)
  public func pointer(for cpu: CPU) -> UnsafeMutablePointer<Value> {
    let address = UInt(base.load(ordering: .relaxed)) &+ UInt(cpu.index &* Self.stride)
    guard let pointer = UnsafeMutablePointer<Value>(bitPattern: address) else {
      fatalError("CPU-local storage is used before it exists")
    }
    return pointer
  }

  /// The value of the CPU that executes the call, which must stay on that CPU as long as it uses
  /// the pointer: with preemption disabled, with interrupts off, or in code that belongs to the CPU.
  @inline(__always)
  public var current: UnsafeMutablePointer<Value> { pointer(for: .current) }

  /// Like `current`, and `nil` before the values exist.
  @inline(__always)
  public var currentIfInitialized: UnsafeMutablePointer<Value>? {
    UnsafeMutablePointer(bitPattern: UInt(base.load(ordering: .relaxed))).map { base in
      (UnsafeMutableRawPointer(base) + Processor.index &* Self.stride)
        .assumingMemoryBound(to: Value.self)
    }
  }

  /// Runs `body` with the value of the CPU that executes the call, which it does not leave
  /// meanwhile. An interrupt handler may use the value at the same time; `body` may not sleep.
  /// Checked builds see to it that the CPU is the same at the end.
  @inline(__always)
  public func withCurrent<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutablePointer<Value>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    Processor.disablePreemption()
    #if CHECKED
    let index = Processor.index
    #endif
    defer {
      #if CHECKED
      precondition(index == Processor.index, "a CPU-local value was used on two CPUs")
      #endif
      Processor.enablePreemption()
    }
    return try body(current)
  }
}

extension CPULocal: @unchecked Sendable where Value: ~Copyable {}
