import Machine

/// A queue of bounded length between threads: any number of them send, any number receive, each element
/// is received once, and in the order in which they were sent.
///
/// Who finds it full or empty waits, and is served in the order in which it came. Not in interrupts.
/// In Go terms a buffered `chan`.
public final class Channel<Element: Sendable>: Sendable {
  /// Why an element was not sent.
  public enum SendError: Error, Equatable, CustomStringConvertible {
    /// `close` was called.
    case isClosed
    /// The channel was full until the deadline.
    case isFull

    public var description: String {
      switch self {
      case .isClosed: "the channel is closed"
      case .isFull: "the channel was full until the deadline"
      }
    }
  }

  /// Why no element was received.
  public enum ReceiveError: Error, Equatable, CustomStringConvertible {
    /// `close` was called, and all that was sent before was received.
    case isClosed
    /// The channel was empty until the deadline.
    case isEmpty

    public var description: String {
      switch self {
      case .isClosed: "the channel is closed, and nothing is left in it"
      case .isEmpty: "the channel was empty until the deadline"
      }
    }
  }

  /// Elements that were sent and not received. Threads that wait to send are in the queue only while it is
  /// full, and threads that wait to receive only while it is empty.
  private let queue: WaitQueue<ElementRing<Element>>

  /// An empty channel for up to `capacity` elements, at least 1.
  public init(capacity: Int) {
    precondition(capacity > 0, "a channel has room for at least one element")
    queue = WaitQueue(ElementRing(capacity: capacity))
  }

  deinit { queue.withState { $0.deallocate() } }

  /// Sends an element, and waits as long as the channel is full.
  public func send(_ element: Element) throws(SendError) {
    try send(element, until: .max)
  }

  /// The same, until `deadline` at the latest, in nanoseconds of `MonotonicClock`; one that has passed
  /// waits for nothing.
  public func send(_ element: Element, until deadline: UInt64) throws(SendError) {
    var slot: Element? = element
    while true {
      switch trySend(&slot) {
      case .isDone: return
      case .isClosed: throw .isClosed
      case .mustWait: break
      }
      if deadline < .max, MonotonicClock.nanoseconds >= deadline { throw .isFull }
      // On the heap: whoever takes it does so with the queue's lock held, where no stack may be touched but
      // one's own.
      let place = UnsafeMutablePointer<Element?>.allocate(capacity: 1)
      place.initialize(to: slot.take())
      _ = queue.waitInTurn(
        until: deadline, as: WaitingParty(place, isSender: true).purpose,
        unless: { $0.isClosed || !$0.isFull })
      slot = place.move()
      place.deallocate()
      // If it is still there, the channel was closed, the time is over, or there was room after all.
      if slot == nil { return }
    }
  }

  /// Receives the next element, and waits as long as there is none; `nil` when the channel is closed and
  /// all were received.
  public func receive() -> Element? {
    do throws(ReceiveError) { return try receive(until: .max) } catch { return nil }
  }

  /// Receives the next element, and waits for it until `deadline` at the latest, in nanoseconds of
  /// `MonotonicClock`; one that has passed waits for nothing.
  public func receive(until deadline: UInt64) throws(ReceiveError) -> Element {
    var slot: Element?
    while true {
      switch tryReceive(&slot) {
      case .isDone: break
      case .isClosed: throw .isClosed
      case .mustWait:
        if deadline < .max, MonotonicClock.nanoseconds >= deadline { throw .isEmpty }
        let place = UnsafeMutablePointer<Element?>.allocate(capacity: 1)
        place.initialize(to: nil)
        _ = queue.waitInTurn(
          until: deadline, as: WaitingParty(place, isSender: false).purpose,
          unless: { $0.isClosed || !$0.isEmpty })
        slot = place.move()
        place.deallocate()
      }
      if let slot { return slot }
    }
  }

  /// Ends the channel: what was sent can still be received, and nothing can be sent any more. Threads that
  /// wait return. Any thread, and more than once.
  public func close() {
    queue.wake(while: { ring, first in
      ring.isClosed = true
      return first != nil
    })
  }

  private enum Outcome { case isDone, isClosed, mustWait }

  private func trySend(_ slot: inout Element?) -> Outcome {
    var outcome: Outcome?
    queue.wake(while: { ring, first in
      if outcome != nil { return false }
      if ring.isClosed {
        outcome = .isClosed
        return false
      }
      if let first, let receiver = WaitingParty<Element>(first).receiver {
        receiver.pointee = slot.take()
        outcome = .isDone
        return true
      }
      outcome = ring.append(from: &slot) ? .isDone : .mustWait
      return false
    })
    return outcome ?? .mustWait
  }

  private func tryReceive(_ slot: inout Element?) -> Outcome {
    var outcome: Outcome?
    queue.wake(while: { ring, first in
      if outcome != nil { return false }
      guard ring.removeFirst(into: &slot) else {
        outcome = ring.isClosed ? .isClosed : .mustWait
        return false
      }
      outcome = .isDone
      guard !ring.isClosed, let first, let sender = WaitingParty<Element>(first).sender else {
        return false
      }
      return ring.append(from: &sender.pointee)
    })
    return outcome ?? .mustWait
  }
}

/// A thread that waits at a channel: where its element is, or is to be put.
private struct WaitingParty<Element> {
  /// The address, and 1 for a sender.
  let purpose: UInt

  init(_ slot: UnsafeMutablePointer<Element?>, isSender: Bool) {
    // In a word of its own, whatever the alignment of the element is.
    purpose = UInt(bitPattern: slot) << 1 | (isSender ? 1 : 0)
  }

  init(_ waiter: Waiter) { purpose = waiter.purpose }

  var sender: UnsafeMutablePointer<Element?>? { purpose & 1 == 1 ? slot : nil }
  var receiver: UnsafeMutablePointer<Element?>? { purpose & 1 == 0 ? slot : nil }

  private var slot: UnsafeMutablePointer<Element?>? {
    UnsafeMutablePointer(bitPattern: purpose >> 1)
  }
}

/// Elements in the order in which they came, up to a number.
struct ElementRing<Element> {
  private let elements: UnsafeMutablePointer<Element>
  private let capacity: Int
  private var first = 0
  private var count = 0
  var isClosed = false

  init(capacity: Int) {
    elements = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  var isEmpty: Bool { count == 0 }
  var isFull: Bool { count == capacity }

  /// Moves an element in, if there is room.
  mutating func append(from slot: inout Element?) -> Bool {
    guard !isFull, let element = slot.take() else { return false }
    var index = first + count
    if index >= capacity { index -= capacity }
    (elements + index).initialize(to: element)
    count += 1
    return true
  }

  /// Moves the first element out, if there is one.
  mutating func removeFirst(into slot: inout Element?) -> Bool {
    if isEmpty { return false }
    slot = (elements + first).move()
    first += 1
    if first == capacity { first = 0 }
    count -= 1
    return true
  }

  mutating func deallocate() {
    while count > 0 {
      (elements + first).deinitialize(count: 1)
      first += 1
      if first == capacity { first = 0 }
      count -= 1
    }
    elements.deallocate()
  }
}
