/// What may be called, and what has to be known of a call.
extension Examination {
  /// Calls of functions that are declared not to be fit for interrupts.
  func deniedCalls() -> [Finding] {
    forEachSite { reach, node, site in
      site.targets.sorted { $0.key < $1.key }.compactMap { target, known in
        guard let declared = annotations[target], let denied = declared.denied,
          declared.permitted[reach.root.name] == nil
        else { return nil }
        var message = "calls \(name(of: target))"
        switch denied.0 {
        case .allocates: message += ", which allocates"
        case .blocks: message += ", which blocks"
        case .other: message += ", which is denied"
        }
        if let reason = denied.reason, !reason.isEmpty { message += ": \(reason)" }
        let notes =
          known.step == .direct || known.step == .tail
          ? [] : ["the target is known by: \(known.step.rawValue)"]
        return finding(.deniedCall, message, at: site.address, in: node, of: reach, notes: notes)
      }
    }
  }

  /// Indirect calls and jumps of which not every target is known.
  func unresolvedCalls() -> [Finding] {
    forEachSite { reach, node, site in
      guard site.isUnresolved else { return [] }
      let kind = site.isIndirect ? "indirect call or jump" : "call"
      let steps = Set(site.targets.values.map(\.step)).map(\.rawValue).sorted()
      var notes: [String] = []
      if !steps.isEmpty {
        notes.append(
          "\(site.targets.count) possible targets are followed: \(steps.joined(separator: ", "))")
      }
      let found = finding(
        .unresolvedIndirect,
        "\(kind) is not resolved (\(image.text(at: site.address))): \(site.detail ?? "unknown")",
        at: site.address, in: node, of: reach, notes: notes)
      return found.map { [$0] } ?? []
    }
  }

  /// Handlers that are registered without it being known which.
  func unknownRegistrations(_ registrations: [Exploration.Registration: Set<UInt64>?]) -> [Finding]
  {
    registrations.filter { $0.value == nil }.keys.sorted { $0.site < $1.site }
      .compactMap { registration in
        finding(
          .unresolvedIndirect,
          "registers a handler that is not known: argument \(registration.argument) is no constant",
          at: registration.site)
      }
  }

  /// Functions that call themselves, directly or through others, without a declared bound.
  func recursion(_ components: Components) -> [Finding] {
    var reported: Set<Set<UInt64>> = []
    return reaches.flatMap { reach in
      reach.nodes.compactMap { index -> Finding? in
        guard let number = components.number[index] else { return nil }
        let group = components.groups[number]
        guard components.isRecursive(group, in: exploration) else { return nil }
        let entries = Set(group.map { exploration.nodes[$0].entry })
        let isBounded = entries.contains { annotations[$0]?.recursionDepth != nil }
        guard !isBounded, reported.insert(entries).inserted else { return nil }
        let circle = circle(through: index, of: Set(group))
        return finding(
          .recursion, "calls itself: \(circle.map(name).joined(separator: " -> "))",
          at: exploration.nodes[index].entry, in: index, of: reach)
      }
    }
  }

  /// The entries along a shortest way from a node of a group back to it.
  private func circle(through start: Int, of group: Set<Int>) -> [UInt64] {
    var parents: [Int: Int] = [:]
    var queue = [start]
    var next = 0
    while next < queue.count {
      let node = queue[next]
      next += 1
      for callee in Components.successors(of: node, in: exploration).sorted()
      where group.contains(callee) {
        if callee == start {
          var entries = [exploration.nodes[start].entry]
          var current = node
          while current != start {
            entries.append(exploration.nodes[current].entry)
            current = parents[current] ?? start
          }
          return [exploration.nodes[start].entry] + entries.reversed()
        }
        if parents[callee] == nil {
          parents[callee] = node
          queue.append(callee)
        }
      }
    }
    return [exploration.nodes[start].entry]
  }

  /// Functions that nobody has declared to be written for interrupts.
  func notAnnotated() -> [Finding] {
    let group = image.file.section(named: ".text.isr").map { $0.address..<($0.address &+ $0.size) }
    return reaches.flatMap { reach in
      reach.nodes.compactMap { index -> Finding? in
        let entry = exploration.nodes[index].entry
        let declared = annotations[entry]
        guard declared?.isInterruptSafe != true, declared?.isRoot != true,
          group?.contains(entry) != true, !reach.root.entries.contains(index)
        else { return nil }
        return finding(
          .notAnnotated, "\(name(of: entry)) is reached and not annotated", at: entry, in: index,
          of: reach)
      }
    }
  }

  /// Code in which there is something that is no instruction.
  func undecodable() -> [Finding] {
    reaches.flatMap { reach in
      reach.nodes.flatMap { index in
        exploration.nodes[index].undecodable.sorted().compactMap { address in
          finding(
            .undecodable, "no instruction can be read at \(Self.hex(address))", at: address,
            in: index, of: reach)
        }
      }
    }
  }

  private func forEachSite(_ body: (Reach, Int, CallSite) -> [Finding]) -> [Finding] {
    reaches.flatMap { reach in
      reach.nodes.flatMap { index in
        exploration.nodes[index].sites.values.sorted { $0.address < $1.address }
          .flatMap { body(reach, index, $0) }
      }
    }
  }
}
