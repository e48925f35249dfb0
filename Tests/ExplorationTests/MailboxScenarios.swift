import Exploration
import Machine

@testable import PerCPU

/// `PerCPU/Mailbox.swift`: each request is done once, those of one CPU in their order, and the owner
/// is told when there is something.
enum MailboxScenarios {
  static var all: [Scenario] { [delivery, memoryIsGivenBack] }

  /// What requests do: they append to a log, which only the owner does.
  private final class Shared {
    let mailbox = Mailbox()
    let completion: UnsafeMutablePointer<Completion> = .allocate(capacity: 1)
    let requests: UnsafeMutablePointer<Request>
    let contexts: UnsafeMutablePointer<Context>
    let count: Int
    var log: [Int] = []

    struct Context {
      let number: Int
      unowned let shared: Shared
    }

    init(count: Int) {
      self.count = count
      completion.initialize(to: Completion(count: count, waiter: CPU(index: 0)))
      requests = .allocate(capacity: count)
      contexts = .allocate(capacity: count)
      for number in 0..<count {
        (contexts + number).initialize(to: Context(number: number, shared: self))
        (requests + number).initialize(
          to: Request(
            { context, _ in
              let context = context.assumingMemoryBound(to: Context.self)
              context.pointee.shared.log.append(context.pointee.number)
            }, context: contexts + number, completion: completion))
      }
    }

    deinit {
      completion.deinitialize(count: 1)
      completion.deallocate()
      requests.deallocate()
      contexts.deinitialize(count: count)
      contexts.deallocate()
    }
  }

  /// Two CPUs put two requests each into the mailbox of the third, and interrupt it when they found it
  /// empty; it takes out nothing but in the interrupt.
  static let delivery = Scenario("Mailbox/delivery") { machine in
    let shared = Shared(count: 4)
    machine.onInterrupt { _ in
      shared.mailbox.doAll(as: .current) { _ in }
    }
    machine.cpu {}
    for poster in 0..<2 {
      machine.cpu {
        for number in [2 * poster, 2 * poster + 1]
        where shared.mailbox.post(shared.requests + number) {
          Processor.send(.wake, to: 0)
        }
      }
    }
    machine.atEnd {
      machine.check(shared.log.sorted() == [0, 1, 2, 3], "requests done: \(shared.log)")
      machine.check(shared.completion.pointee.isDone, "the completion does not say so")
      for first in [0, 2] {
        let order = shared.log.filter { $0 / 2 == first / 2 }
        machine.check(order == [first, first + 1], "requests of one CPU in the order \(order)")
      }
    }
  }

  /// The memory of request and completion belongs to the waiter again as soon as `isDone`: it is
  /// overwritten at once, and the owner may not notice.
  static let memoryIsGivenBack = Scenario("Mailbox/memory-is-given-back") { machine in
    let shared = Shared(count: 1)
    var woken: [Int] = []
    machine.cpu {
      while shared.log.isEmpty {
        shared.mailbox.doAll(as: .current) { woken.append($0.index) }
        Processor.pause()
      }
    }
    machine.cpu {
      let request = shared.requests
      machine.check(shared.mailbox.post(request), "the mailbox is not empty")
      while !shared.completion.pointee.isDone { Processor.pause() }
      let bytes = UnsafeMutableRawPointer(request)
      bytes.initializeMemory(
        as: UInt8.self, repeating: 0xAA, count: MemoryLayout<Request>.stride)
    }
    machine.atEnd {
      machine.check(shared.log == [0], "requests done: \(shared.log)")
      machine.check(woken == [0], "woken: \(woken)")
    }
  }
}
