import TestSupport
import Testing

@testable import Scheduler

/// `TimerHeap`, against a sorted array.
@Suite struct TimerHeapTests {
  private typealias Node = UnsafeMutablePointer<TimerNode>

  private static func makeNodes(_ count: Int) -> [Node] {
    (0..<count).map { _ in
      let node = Node.allocate(capacity: 1)
      node.initialize(to: TimerNode())
      return node
    }
  }

  private static func free(_ nodes: [Node]) {
    for node in nodes {
      node.deinitialize(count: 1)
      node.deallocate()
    }
  }

  @Test func anEmptyOneIsNeverDue() {
    let heap = TimerHeap()
    #expect(heap.first == nil)
    #expect(heap.deadline == .max)
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func theEarliestIsOnTop(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let nodes = Self.makeNodes(200)
    var outside = nodes
    var inside: [Node] = []
    var heap = TimerHeap()
    for _ in 0..<5_000 {
      if !outside.isEmpty && random.next() % 5 < 3 {
        let node = outside.remove(at: Int(random.next() % UInt64(outside.count)))
        node.pointee.deadline = random.next() % 100
        heap.insert(node)
        inside.append(node)
      } else if !inside.isEmpty {
        let index = Int(random.next() % UInt64(inside.count))
        let node = random.next() % 2 == 0 ? heap.first : inside[index]
        guard let node else { continue }
        heap.remove(node)
        inside.removeAll { $0 == node }
        outside.append(node)
      }
      #expect(heap.deadline == inside.map(\.pointee.deadline).min() ?? .max)
      #expect(heap.first.map(inside.contains) ?? inside.isEmpty)
    }
    while let node = heap.first {
      #expect(heap.deadline == inside.map(\.pointee.deadline).min())
      heap.remove(node)
      inside.removeAll { $0 == node }
    }
    #expect(inside.isEmpty)
    Self.free(nodes)
  }
}
