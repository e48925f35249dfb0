/// The most stack that functions need, with all that they call.
struct StackBounds {
  /// By node; `nil` where there is no bound.
  private(set) var bytes: [Int: UInt64?] = [:]

  init(_ exploration: Exploration, _ components: Components) {
    for group in components.groups {
      let members = Set(group)
      let isRecursive = components.isRecursive(group, in: exploration)
      var deepest: [Int: UInt64?] = [:]
      for member in group {
        deepest[member] = .some(
          Self.bound(of: exploration.nodes[member], exploration, bytes, leavingOut: members))
      }
      guard isRecursive else {
        for member in group { bytes[member] = deepest[member] }
        continue
      }
      // At most `depth` rounds through the whole group, and then the deepest that it calls.
      let depth = group.compactMap {
        exploration.annotations[exploration.nodes[$0].entry]?.recursionDepth
      }.max()
      let own = group.map { Self.deepestCall(of: exploration.nodes[$0], within: members) }
      var total: UInt64?
      let below = deepest.values.map { $0 }
      if let depth, !own.contains(nil), !below.contains(nil) {
        let round = own.compactMap { $0 }.reduce(0, &+)
        total =
          UInt64(depth).multipliedReportingOverflow(by: round).partialValue
          &+ (below.compactMap { $0 }.max() ?? 0)
      }
      for member in group { bytes[member] = .some(total) }
    }
  }

  /// A node's own bytes, and those of what it calls outside of its group.
  private static func bound(
    of node: FunctionNode, _ exploration: Exploration, _ known: [Int: UInt64?],
    leavingOut members: Set<Int>
  ) -> UInt64? {
    let declared = exploration.annotations[node.entry]?.frame
    if node.unboundedFrame != nil && declared == nil { return nil }
    var most = max(UInt64(clamping: node.depth), UInt64(declared ?? 0))
    for site in node.sites.values {
      if site.isUnresolved { return nil }
      guard let depth = site.depth.map({ UInt64(clamping: $0) }) ?? declared.map(UInt64.init)
      else { return nil }
      for (entry, target) in site.targets {
        guard let callee = target.node else {
          let frame = exploration.annotations[entry]?.frame ?? 0
          most = max(most, depth &+ UInt64(frame))
          continue
        }
        if members.contains(callee) { continue }
        guard let below = known[callee] ?? nil else { return nil }
        most = max(most, depth &+ below)
      }
    }
    return most
  }

  /// The stack in use at the deepest call of a member of the group.
  private static func deepestCall(of node: FunctionNode, within members: Set<Int>) -> UInt64? {
    var most: UInt64 = 0
    for site in node.sites.values
    where site.targets.values.contains(where: { $0.node.map(members.contains) ?? false }) {
      guard let depth = site.depth else { return nil }
      most = max(most, UInt64(clamping: depth))
    }
    return most
  }
}
