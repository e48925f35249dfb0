/// Groups of functions that call each other in a circle (Tarjan 1972), callees first.
struct Components {
  /// The group of each node.
  private(set) var number: [Int: Int] = [:]
  private(set) var groups: [[Int]] = []

  init(of nodes: [Int], in exploration: Exploration) {
    var order: [Int: Int] = [:]
    var low: [Int: Int] = [:]
    var stack: [Int] = []
    var onStack: Set<Int> = []
    for start in nodes where order[start] == nil {
      // An explicit stack: chains of calls in a large kernel are deeper than a thread's stack.
      var path: [(node: Int, successors: [Int])] = []
      func enter(_ node: Int) {
        order[node] = order.count
        low[node] = order[node]
        stack.append(node)
        onStack.insert(node)
        path.append((node, Self.successors(of: node, in: exploration)))
      }
      enter(start)
      while let (node, successors) = path.last {
        if let next = successors.last {
          path[path.count - 1].successors.removeLast()
          if order[next] == nil {
            enter(next)
          } else if onStack.contains(next) {
            low[node] = min(low[node] ?? 0, order[next] ?? 0)
          }
          continue
        }
        path.removeLast()
        if let parent = path.last?.node { low[parent] = min(low[parent] ?? 0, low[node] ?? 0) }
        guard low[node] == order[node] else { continue }
        var group: [Int] = []
        while let member = stack.popLast() {
          onStack.remove(member)
          group.append(member)
          number[member] = groups.count
          if member == node { break }
        }
        groups.append(group)
      }
    }
  }

  /// Nodes that a node calls.
  static func successors(of node: Int, in exploration: Exploration) -> [Int] {
    exploration.nodes[node].sites.values.flatMap { $0.targets.values.compactMap(\.node) }
  }

  /// Whether the functions of a group call themselves.
  func isRecursive(_ group: [Int], in exploration: Exploration) -> Bool {
    group.count > 1 || Self.successors(of: group[0], in: exploration).contains(group[0])
  }
}
