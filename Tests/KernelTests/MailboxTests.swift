import Machine
import Testing

@testable import PerCPU

/// What the consumer did: only its thread touches this.
private final class Journal: @unchecked Sendable {
  var entries: [(producer: Int, sequence: Int)] = []
  var wakes: [Int: Int] = [:]
}

/// The context of one request.
private struct Parcel {
  let producer: Int
  let sequence: Int
  let journal: Unmanaged<Journal>

  static let deliver: @convention(c) (UnsafeRawPointer, Int) -> Void = { context, _ in
    let parcel = context.load(as: Parcel.self)
    parcel.journal.takeUnretainedValue().entries.append((parcel.producer, parcel.sequence))
  }
}

/// A batch of requests with one completion, in memory that is given back as soon as it is done.
private struct Batch: ~Copyable {
  let requests: UnsafeMutablePointer<Request>
  let parcels: UnsafeMutablePointer<Parcel>
  let completion: UnsafeMutablePointer<Completion>
  let count: Int

  init(_ count: Int, from producer: Int, sequence: Int, to journal: Journal) {
    self.count = count
    requests = .allocate(capacity: count)
    parcels = .allocate(capacity: count)
    completion = .allocate(capacity: 1)
    completion.initialize(to: Completion(count: count, waiter: CPU(index: producer)))
    for index in 0..<count {
      (parcels + index).initialize(
        to: Parcel(
          producer: producer, sequence: sequence + index, journal: .passUnretained(journal)))
      (requests + index).initialize(
        to: Request(Parcel.deliver, context: parcels + index, completion: completion))
    }
  }

  deinit {
    // Whoever still follows a pointer from here finds nonsense.
    UnsafeMutableRawPointer(requests).initializeMemory(
      as: UInt8.self, repeating: 0xEE, count: count * MemoryLayout<Request>.stride)
    requests.deallocate()
    parcels.deallocate()
    completion.deallocate()
  }
}

@Suite struct MailboxTests {
  @Test func onlyTheFirstRequestHasToBeToldOf() {
    let mailbox = Mailbox()
    let journal = Journal()
    let batch = Batch(3, from: 5, sequence: 0, to: journal)
    #expect(mailbox.isEmpty == true)
    #expect(mailbox.post(batch.requests) == true)
    #expect(mailbox.isEmpty == false)
    #expect(mailbox.post(batch.requests + 1) == false)
    #expect(batch.completion.pointee.isDone == false)
    var woken: [Int] = []
    mailbox.doAll(as: CPU(index: 1)) { woken.append($0.index) }
    #expect(journal.entries.map(\.sequence) == [0, 1])
    #expect(woken == [])
    #expect(mailbox.isEmpty == true)
    #expect(mailbox.post(batch.requests + 2) == true)
    mailbox.doAll(as: CPU(index: 1)) { woken.append($0.index) }
    #expect(batch.completion.pointee.isDone == true)
    #expect(woken == [5])
    mailbox.doAll(as: CPU(index: 1)) { _ in Issue.record("nothing is left to be done") }
    #expect(journal.entries.count == 3)
  }

  @Test func aRequestLearnsItsCPUAndMayPostAnother() {
    struct Chain {
      var mailbox: UnsafeMutablePointer<Mailbox>
      var next: UnsafeMutablePointer<Request>?
      var cpu = -1
    }
    let function: @convention(c) (UnsafeRawPointer, Int) -> Void = { context, cpu in
      let chain = UnsafeMutablePointer(mutating: context.assumingMemoryBound(to: Chain.self))
      chain.pointee.cpu = cpu
      if let next = chain.pointee.next { _ = chain.pointee.mailbox.pointee.post(next) }
    }
    let mailbox = UnsafeMutablePointer<Mailbox>.allocate(capacity: 1)
    mailbox.initialize(to: Mailbox())
    let chains = UnsafeMutablePointer<Chain>.allocate(capacity: 2)
    let completion = UnsafeMutablePointer<Completion>.allocate(capacity: 1)
    completion.initialize(to: Completion(count: 2, waiter: CPU(index: 0)))
    let requests = UnsafeMutablePointer<Request>.allocate(capacity: 2)
    for index in 0..<2 {
      (chains + index).initialize(
        to: Chain(mailbox: mailbox, next: index == 0 ? requests + 1 : nil))
      (requests + index).initialize(
        to: Request(function, context: chains + index, completion: completion))
    }
    defer {
      mailbox.deallocate()
      chains.deallocate()
      completion.deallocate()
      requests.deallocate()
    }
    #expect(mailbox.pointee.post(requests) == true)
    mailbox.pointee.doAll(as: CPU(index: 7)) { _ in }
    #expect(chains[0].cpu == 7)
    #expect(chains[1].cpu == -1)
    mailbox.pointee.doAll(as: CPU(index: 9)) { _ in }
    #expect(chains[1].cpu == 9)
    #expect(completion.pointee.isDone == true)
  }

  /// Three producers, one consumer: nothing lost, nothing twice, each producer's requests in its
  /// own order, and one wake-up for each batch.
  @Test func manyProducersAndOneConsumer() {
    let (producers, batches, size) = (3, 1500, 4)
    let mailbox = Mailbox()
    let journal = Journal()
    let running = Atomic<Int>(producers)
    onSimulatedCPUs(producers + 1) { index in
      if index == 0 {
        while running.load(ordering: .acquiring) > 0 || !mailbox.isEmpty {
          mailbox.doAll(as: .current) { journal.wakes[$0.index, default: 0] += 1 }
          Processor.pause()
        }
      } else {
        for turn in 0..<batches {
          let batch = Batch(size, from: index, sequence: turn * size, to: journal)
          for request in 0..<size { _ = mailbox.post(batch.requests + request) }
          while !batch.completion.pointee.isDone { Processor.pause() }
        }
        running.wrappingSubtract(1, ordering: .releasing)
      }
    }
    #expect(journal.entries.count == producers * batches * size)
    for producer in 1...producers {
      let sequence = journal.entries.filter { $0.producer == producer }.map(\.sequence)
      #expect(sequence == Array(0..<batches * size), "producer \(producer)")
      #expect(journal.wakes[producer] == batches)
    }
  }
}
