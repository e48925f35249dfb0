import Machine

/// Something that a CPU is asked to do, in memory of whoever asks.
public struct Request {
  /// The next request of the same mailbox; owned by the mailbox while the request is in it.
  var next: UnsafeMutablePointer<Request>?
  /// What to run, with `context`, on which CPU.
  public let function: @convention(c) (_ context: UnsafeRawPointer, _ cpu: Int) -> Void
  /// What `function` is given; it must live until the request is done.
  public let context: UnsafeRawPointer
  /// Where to say that it is done.
  public let completion: UnsafePointer<Completion>

  /// A request in no mailbox.
  public init(
    _ function: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void,
    context: UnsafeRawPointer, completion: UnsafePointer<Completion>
  ) {
    self.function = function
    self.context = context
    self.completion = completion
  }
}

/// Counts requests that are still to be done.
public struct Completion: ~Copyable {
  private let pending: Atomic<Int>
  private let waiter: CPU

  /// For `count` requests, whose end CPU `waiter` awaits.
  public init(count: Int, waiter: CPU) {
    pending = Atomic(count)
    self.waiter = waiter
  }

  /// Whether all are done. Acquire pairs with the release in `finishOne`: what the requests wrote
  /// is seen.
  public var isDone: Bool { pending.load(ordering: .acquiring) == 0 }

  /// Counts one request as done; returns the CPU to wake when it was the last one. After this the
  /// waiter may take the memory of request and completion back: touch neither again.
  func finishOne() -> CPU? {
    let waiter = waiter
    return pending.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0
      ? waiter : nil
  }
}

/// Requests to one CPU: any CPU puts in, only the owner takes out, all at once.
///
/// A stack linked through the requests: `post` is one compare-and-swap, `takeAll` one exchange, so
/// there is no ABA problem. Modelled in `Models/Mailbox.pml`.
public struct Mailbox: ~Copyable, Sendable {
  private let head = Atomic<UInt64>(0)

  /// An empty mailbox.
  public init() {}

  /// Puts a request in; returns whether the mailbox was empty, so that its owner has to be told.
  /// Release pairs with the acquire in `takeAll`: the owner sees the request's fields.
  public func post(_ request: UnsafeMutablePointer<Request>) -> Bool {
    var first = head.load(ordering: .relaxed)
    while true {
      request.pointee.next = UnsafeMutablePointer(bitPattern: UInt(first))
      let result = head.compareExchange(
        expected: first, desired: UInt64(UInt(bitPattern: request)), ordering: .releasing)
      if result.exchanged { return first == 0 }
      first = result.original
      Processor.pause()
    }
  }

  /// Whether there is nothing to do.
  @inline(__always)
  public var isEmpty: Bool { head.load(ordering: .relaxed) == 0 }

  /// Does all requests, oldest first, as CPU `cpu`. `wake` is called for a CPU that waited for
  /// one of them.
  @inline(__always)
  public func doAll(as cpu: CPU, wake: (CPU) -> Void) {
    if isEmpty { return }
    var newest = UnsafeMutablePointer<Request>(
      bitPattern: UInt(head.exchange(0, ordering: .acquiring)))
    var oldest: UnsafeMutablePointer<Request>?
    while let request = newest {
      newest = request.pointee.next
      request.pointee.next = oldest
      oldest = request
    }
    while let request = oldest {
      // Everything is read before the request is finished, which gives its memory back.
      oldest = request.pointee.next
      let completion = request.pointee.completion
      request.pointee.function(request.pointee.context, cpu.index)
      if let waiter = completion.pointee.finishOne() { wake(waiter) }
    }
  }
}
