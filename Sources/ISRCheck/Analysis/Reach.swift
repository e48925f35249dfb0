/// What can run once an interrupt has entered at a root, with the shortest chain of calls to each
/// function.
struct Reach {
  let root: Root
  /// Nodes in the order of their distance from the root.
  private(set) var nodes: [Int] = []
  private(set) var parents: [Int: Link] = [:]

  /// A root with the nodes at which the hardware enters for it.
  struct Root {
    var name: String
    var function: UInt64
    var level: UInt32
    var vector: UInt64?
    var stack: (size: UInt32, id: UInt64)?
    var entries: [Int]
  }

  /// The call by which a node is reached first.
  struct Link {
    var caller: Int
    var site: UInt64
    var step: ResolutionStep
  }

  init(_ root: Root, _ exploration: Exploration) {
    self.root = root
    var seen = Set(root.entries)
    nodes = root.entries
    var next = 0
    while next < nodes.count {
      let node = exploration.nodes[nodes[next]]
      next += 1
      for site in node.sites.values.sorted(by: { $0.address < $1.address }) {
        for (_, target) in site.targets.sorted(by: { $0.key < $1.key }) {
          guard let callee = target.node, seen.insert(callee).inserted else { continue }
          parents[callee] = Link(caller: node.index, site: site.address, step: target.step)
          nodes.append(callee)
        }
      }
    }
  }

  /// The calls from the root to a node, outermost first.
  func chain(to node: Int) -> [Link] {
    var links: [Link] = []
    var current = node
    while let link = parents[current] {
      links.append(link)
      current = link.caller
    }
    return links.reversed()
  }
}
