/// Stacks have an end.
extension Examination {
  /// The most stack that a root needs when it interrupts code on its own stack, or `nil` when there
  /// is no bound.
  func stack(of reach: Reach, _ bounds: StackBounds) -> UInt64? {
    var most: UInt64 = 0
    for entry in reach.root.entries {
      guard let bytes = bounds.bytes[entry] ?? nil else { return nil }
      most = max(most, bytes)
    }
    return most &+ image.convention.interruptFrameSize
  }

  /// The same with all roots of a higher level that may interrupt it on the same stack.
  func nestedStack(of reach: Reach, _ bounds: StackBounds) -> UInt64? {
    guard let stack = reach.root.stack else { return nil }
    let sharing = reaches.filter {
      guard let other = $0.root.stack else { return false }
      return $0.root.function == reach.root.function || stack.id != 0 && other.id == stack.id
    }
    var total: UInt64 = 0
    for level in Set(sharing.map(\.root.level)) {
      var most: UInt64 = 0
      for other in sharing where other.root.level == level {
        guard let bytes = self.stack(of: other, bounds) else { return nil }
        most = max(most, bytes)
      }
      total &+= most
    }
    return total
  }

  func stackOverflows(_ bounds: StackBounds) -> [Finding] {
    reaches.compactMap { reach in
      guard let stack = reach.root.stack, let entry = reach.root.entries.first else { return nil }
      guard let needed = nestedStack(of: reach, bounds) else { return nil }
      guard needed > UInt64(stack.size) else { return nil }
      let own = self.stack(of: reach, bounds) ?? 0
      return finding(
        .stackOverflow,
        "may need \(needed) bytes of stack, \(own) of them its own; \(stack.size) are declared",
        at: exploration.nodes[entry].entry, in: entry, of: reach,
        notes: deepestChain(from: reach.root.entries, bounds))
    }
  }

  /// The calls along which the stack gets deepest.
  private func deepestChain(from entries: [Int], _ bounds: StackBounds) -> [String] {
    var current = entries.max { (bounds.bytes[$0] ?? 0) ?? 0 < (bounds.bytes[$1] ?? 0) ?? 0 }
    var seen: Set<Int> = []
    var lines: [String] = []
    while let index = current, seen.insert(index).inserted {
      let node = exploration.nodes[index]
      let total = (bounds.bytes[index] ?? nil) ?? 0
      var next: (node: Int, depth: UInt64, sum: UInt64)?
      for site in node.sites.values {
        let depth = UInt64(clamping: site.depth ?? 0)
        for target in site.targets.values {
          guard let callee = target.node, let below = bounds.bytes[callee] ?? nil else { continue }
          if depth &+ below > next?.sum ?? 0 { next = (callee, depth, depth &+ below) }
        }
      }
      if let next, next.sum > UInt64(clamping: node.depth) {
        lines.append("\(next.depth) bytes in \(name(of: node.entry))")
        current = next.node
      } else {
        lines.append("\(total) bytes in \(name(of: node.entry))")
        current = nil
      }
    }
    return lines
  }

  /// Functions whose frame has no bound that can be read off their code.
  func unboundedFrames() -> [Finding] {
    reaches.flatMap { reach in
      reach.nodes.compactMap { index -> Finding? in
        let node = exploration.nodes[index]
        guard let address = node.unboundedFrame, annotations[node.entry]?.frame == nil else {
          return nil
        }
        // Nobody asks how deep a stack gets whose size is not declared.
        if options.prove && reach.root.stack == nil && options.severities[.unboundedFrame] == nil {
          return nil
        }
        return finding(
          .unboundedFrame,
          "takes stack without a bound that can be told (\(image.text(at: address)))",
          at: address, in: index, of: reach)
      }
    }
  }
}
