#if hasFeature(Embedded)
import Console
import Interrupts
import Machine
import PerCPU
import Scheduler

/// The application's standard input: the serial port's interrupt puts bytes into a ring, threads take them out.
/// Nothing of it is in an image that reads no input.
public enum ConsoleInput {
  /// Bytes that wait for a reader; a power of two.
  private static let capacity: UInt64 = 4096

  /// The turn of the one thread that reads.
  private static let turn = Semaphore(1)
  // What it knows; plain words, of whoever has the turn.
  /// The port's interrupt is connected, for ever.
  private static let isConnected = Atomic<UInt8>(0)
  /// The byte before was an escape.
  private static let isEscaped = Atomic<UInt8>(0)
  /// There is nothing more.
  private static let isOver = Atomic<UInt8>(0)

  /// Given when bytes were put into the empty ring, or the port was stopped: who finds nothing waits for it.
  private static let arrived = Semaphore(0)

  /// Where the ring's bytes are.
  private static let ring = Atomic<UInt64>(0)
  /// How many bytes were put in: by the handler. Release pairs with the acquire of the reader.
  private static let putIn = Atomic<UInt64>(0)
  /// How many were taken out: by the reader. Release pairs with the acquire of the handler.
  private static let takenOut = Atomic<UInt64>(0)
  /// The ring was full, and the port interrupts no more.
  private static let isStopped = Atomic<UInt8>(0)

  /// With `apus` at the other end this byte begins a word of two, see `InputSource` of the command.
  private static var escape: UInt8 { 0x10 }
  private static var end: UInt8 { 0x04 }

  /// Hands bytes of the input to `body` until it says that this is enough; waits for them. Returns whether `body`
  /// was content, and the input not over. One thread at a time reads, others wait. Not in interrupts.
  public static func read(_ body: (UInt8) -> Bool) throws(InterruptError) -> Bool {
    turn.wait()
    defer { turn.signal() }
    if isConnected.load(ordering: .relaxed) == 0 { try connect() }
    while isOver.load(ordering: .relaxed) == 0 {
      let byte = next()
      if ConsoleDevice.isLogApart, isOfFrame(byte) { continue }
      if body(byte) { return true }
    }
    return false
  }

  /// Whether a byte is one of those by which `apus` says where the input ends, and none of the input.
  private static func isOfFrame(_ byte: UInt8) -> Bool {
    if isEscaped.load(ordering: .relaxed) != 0 {
      isEscaped.store(0, ordering: .relaxed)
      if byte == end { isOver.store(1, ordering: .relaxed) }
      return byte == end
    }
    if byte == escape { isEscaped.store(1, ordering: .relaxed) }
    return byte == escape
  }

  /// Registers for the port's interrupt on this CPU, and tells `apus` that input is wanted.
  private static func connect() throws(InterruptError) {
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: Int(capacity), alignment: 64)
    ring.store(UInt64(UInt(bitPattern: bytes)), ordering: .releasing)
    let interrupt = try LineInterrupt(
      .isa(SerialInput.isaLine), on: CPU.current, name: "serial input"
    ) { context in handle(context) }
    interrupt.keepForever()
    isConnected.store(1, ordering: .relaxed)
    startConsoleInput()
  }

  /// The port's interrupt.
  private static func handle(_ context: borrowing InterruptContext) -> InterruptResponse {
    guard SerialInput.hasByte,
      let bytes = UnsafeMutablePointer<UInt8>(bitPattern: UInt(ring.load(ordering: .relaxed)))
    else { return .notHandled }
    var index = putIn.load(ordering: .relaxed)
    // The line counts by its change: it rises again only when the port was empty in between.
    while SerialInput.hasByte {
      if index &- takenOut.load(ordering: .acquiring) == capacity {
        // What does not fit waits at whoever sends. The reader is told, and lets the port go on.
        SerialInput.setInterrupting(false)
        isStopped.store(1, ordering: .releasing)
        break
      }
      bytes[Int(index & (capacity - 1))] = SerialInput.takeByte()
      index &+= 1
      putIn.store(index, ordering: .releasing)
    }
    arrived.signal(from: context)
    return .handled
  }

  /// Waits for a byte.
  private static func next() -> UInt8 {
    let index = takenOut.load(ordering: .relaxed)
    while putIn.load(ordering: .acquiring) == index {
      if isStopped.load(ordering: .acquiring) != 0 {
        isStopped.store(0, ordering: .relaxed)
        SerialInput.setInterrupting(true)
      }
      arrived.wait()
    }
    let bytes = UnsafeMutablePointer<UInt8>(bitPattern: UInt(ring.load(ordering: .relaxed)))
    let byte = bytes?[Int(index & (capacity - 1))] ?? 0
    takenOut.store(index &+ 1, ordering: .releasing)
    return byte
  }
}

/// Lets the port interrupt, and tells `apus` that input is wanted. By this name `apus` finds images that may read:
/// others get no way in.
@inline(never)
@c(apus_start_console_input)
private func startConsoleInput() {
  SerialInput.start()
  ConsoleDevice.record("input")
}
#endif
