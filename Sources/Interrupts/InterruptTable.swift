import CMachine
import Console
import Machine
import PerCPU

/// Whose handler each device vector of each CPU leads to.
enum InterruptTable {
  /// Where the words are, `Processor.deviceVectorCount` for each CPU; 0 before there is a handler.
  private static let words = Atomic<UInt64>(0)

  /// Nobody has the vector.
  private static let nobody: UInt64 = 0
  /// Somebody had it; what still comes is expected.
  private static let leaving: UInt64 = 1

  /// Makes the table, if it was not made before. In threads.
  static func prepare() {
    if words.load(ordering: .acquiring) != 0 { return }
    let count = CPU.count * Processor.deviceVectorCount
    let table = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: count)
    for index in 0..<count { (table + index).initialize(to: Atomic(nobody)) }
    // Release: who finds the table finds its words.
    let isFirst = words.compareExchange(
      expected: 0, desired: UInt64(UInt(bitPattern: table)), ordering: .acquiringAndReleasing
    ).exchanged
    if !isFirst { table.deallocate() }
    apus_set_device_dispatch(handleDeviceInterrupt)
  }

  @inline(__always)
  private static func word(
    _ vector: Int, of cpu: Int
  ) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    UnsafeMutablePointer<Atomic<UInt64>>(
      bitPattern: UInt(words.load(ordering: .acquiring))
    ).map { $0 + (cpu * Processor.deviceVectorCount + vector) }
  }

  /// Lets a CPU find a record by a vector. Release pairs with the acquire in `handle`.
  static func set(
    _ record: UnsafeMutablePointer<InterruptRecord>, for vector: Int, of cpu: CPU
  ) {
    word(vector, of: cpu.index)?.pointee
      .store(UInt64(UInt(bitPattern: record)), ordering: .releasing)
  }

  /// Lets nothing be found any more, but what still comes is no surprise.
  static func leave(_ vector: Int, of cpu: CPU) {
    word(vector, of: cpu.index)?.pointee.store(leaving, ordering: .releasing)
  }

  /// When nothing comes any more.
  static func clear(_ vector: Int, of cpu: CPU) {
    word(vector, of: cpu.index)?.pointee.store(nobody, ordering: .releasing)
  }

  /// An interrupt of a device. With interrupts off.
  @inline(__always)
  static func handle(_ vector: Int) {
    let cpu = Processor.index
    let found = word(vector, of: cpu)?.pointee.load(ordering: .acquiring) ?? nobody
    guard found > leaving,
      let record = UnsafeMutablePointer<InterruptRecord>(bitPattern: UInt(found))
    else {
      if found == nobody { reportStray(vector) }
      return
    }
    // On its way to or from another CPU. `move` makes up for what came here too early.
    if record.pointee.home.load(ordering: .acquiring) != cpu { return }
    record.pointee.count(on: cpu)
    // Before the handler wakes a thread that lets the line through: what that one adds comes after this.
    let unmaskings = record.pointee.unmaskings.load(ordering: .relaxed)
    var response: UInt32 = 0
    withUnsafePointer(to: record.pointee.closure) { closure in
      // The handler is the application's code.
      Processor.preservingVectorState { response = apus_call_handler(closure) }
    }
    if response == InterruptResponse.handled.rawValue {
      record.pointee.unhandledInARow = 0
    } else {
      finish(record, response, unmaskings)
    }
  }

  /// What is to be done after some interrupts only.
  @inline(never)
  private static func finish(
    _ record: UnsafeMutablePointer<InterruptRecord>, _ response: UInt32, _ unmaskings: UInt64
  ) {
    if response == InterruptResponse.notHandled.rawValue { return countUnhandled(record) }
    record.pointee.unhandledInARow = 0
    // The thread may be through with the device before the handler is.
    InterruptsDisabled.assumed {
      InterruptRegistry.mask(record, unlessUnmaskedSince: unmaskings, $0)
    }
  }

  /// So many interrupts in a row that nobody wanted are a storm.
  static var stormLength: UInt64 { 10_000 }

  private static func countUnhandled(_ record: UnsafeMutablePointer<InterruptRecord>) {
    let unhandled = record.pointee.unhandled.load(ordering: .relaxed)
    record.pointee.unhandled.store(unhandled &+ 1, ordering: .relaxed)
    record.pointee.unhandledInARow &+= 1
    // Again when there are twice as many, and so on: messages cannot be masked.
    let times = record.pointee.unhandledInARow / stormLength
    if record.pointee.unhandledInARow % stormLength == 0, times & (times &- 1) == 0 {
      InterruptRegistry.reportStorm(record)
    }
  }

  private static let strays = Atomic<UInt64>(0)

  /// An interrupt that nobody is registered for: the first one is reported, and each that doubles their number.
  @inline(never)
  private static func reportStray(_ vector: Int) {
    let count = strays.wrappingAdd(1, ordering: .relaxed).newValue
    if count & (count &- 1) == 0 {
      Log.warning(
        "an interrupt by device vector \(vector), which nobody has registered: \(count) so far")
    }
  }
}

/// What is called for interrupts of devices, once there is a handler.
@c(apus_handle_device_interrupt)
public func handleDeviceInterrupt(_ interrupt: UInt64) {
  if let vector = Processor.deviceVector(of: interrupt) { InterruptTable.handle(vector) }
}
