import Apus

/// Numbers on their way through two channels: producers send candidates, workers on all CPUs find out which
/// are prime, and the thread of `main` adds them up.
///
///     apus run Examples/Pipeline -- 200000
///
/// Nobody shares anything but the channels. They are short, so whoever is faster than the next one waits for
/// it, and memory stays what it is however many numbers there are.
@main struct Pipeline {
  private static let producerCount = 2
  /// How many numbers travel together: a channel costs as much for a thousand as for one.
  private static let batchSize = 500

  static func main() {
    guard let limit = limit(CommandLine.arguments.dropFirst()) else {
      Console.error("usage: Pipeline [NUMBER], from 2 to 100000000")
      exit(64)
    }
    do throws(ThreadError) {
      let start = MonotonicClock.nanoseconds
      let sum = try run(limit)
      print("\(sum.count) primes below \(limit), their sum is \(sum.total)")
      if Console.isQuiet { return }
      for index in 0..<sum.batches.count {
        Console.error("worker \(index): \(sum.batches[index]) batches")
      }
      Console.error(
        "\((MonotonicClock.nanoseconds - start) / 1_000_000) ms on \(CPUSet.online.count) CPUs")
    } catch {
      Console.error("a thread cannot be started: \(error)")
      exit(1)
    }
  }

  /// What the numbers come to.
  private struct Sum {
    var count = 0
    var total = 0
    /// How many batches came from each worker.
    var batches: [Int]
  }

  private static func run(_ limit: Int) throws(ThreadError) -> Sum {
    let candidates = Channel<Range<Int>>(capacity: 8)
    let results = Channel<PrimeCount>(capacity: 8)
    let workerCount = CPUSet.online.count

    // Each producer sends every second batch; the last one that is through ends the channel.
    let unfinishedProducers = Countdown(producerCount) { candidates.close() }
    for producer in 0..<producerCount {
      try Thread.spawn(name: "producer \(producer)") {
        var first = 2 + producer * batchSize
        while first < limit {
          send(first..<min(first + batchSize, limit), to: candidates)
          first += producerCount * batchSize
        }
        unfinishedProducers.countDown()
      }.detach()
    }

    let unfinishedWorkers = Countdown(workerCount) { results.close() }
    for worker in 0..<workerCount {
      try Thread.spawn(name: "worker \(worker)") {
        while let batch = candidates.receive() {
          send(PrimeCount(worker: worker, of: batch), to: results)
        }
        unfinishedWorkers.countDown()
      }.detach()
    }

    var sum = Sum(batches: Array(repeating: 0, count: workerCount))
    while let result = results.receive() {
      sum.count += result.count
      sum.total += result.total
      sum.batches[result.worker] += 1
    }
    return sum
  }

  private static func send<Element>(_ element: Element, to channel: Channel<Element>) {
    do throws(Channel<Element>.SendError) {
      try channel.send(element)
    } catch {
      // Channels are closed by the last one that sends.
      fatalError("a channel was closed too early")
    }
  }

  private static func limit(_ arguments: some Collection<String>) -> Int? {
    guard let text = arguments.first else { return 200_000 }
    if arguments.count > 1 || text.utf8.isEmpty || text.utf8.count > 9 { return nil }
    var value = 0
    for byte in text.utf8 {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    return (2...100_000_000).contains(value) ? value : nil
  }
}

/// The primes of a batch.
struct PrimeCount: Sendable {
  let worker: Int
  private(set) var count = 0
  private(set) var total = 0

  init(worker: Int, of batch: Range<Int>) {
    self.worker = worker
    for number in batch where Self.isPrime(number) {
      count += 1
      total += number
    }
  }

  private static func isPrime(_ number: Int) -> Bool {
    if number % 2 == 0 { return number == 2 }
    var divisor = 3
    while divisor * divisor <= number {
      if number % divisor == 0 { return false }
      divisor += 2
    }
    return true
  }
}
