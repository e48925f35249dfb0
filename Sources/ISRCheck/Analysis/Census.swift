/// Numbers of what was looked at, and what was taken for granted there.
struct Census {
  let statistics: Report.Statistics
  let assumptions: [String]

  init(_ examination: Examination, _ declarations: Declarations) {
    let exploration = examination.exploration
    let reached = Set(examination.reaches.flatMap(\.nodes)).sorted().map { exploration.nodes[$0] }
    var directCalls: Set<UInt64> = []
    var steps: [UInt64: ResolutionStep] = [:]
    var assumed: Set<String> = []
    for node in reached {
      for site in node.sites.values {
        Self.count(site, &directCalls, &steps)
        for (entry, target) in site.targets {
          let name = examination.name(of: entry)
          if let declared = examination.annotations[entry] {
            Self.note(declared, of: name, isFollowed: target.node != nil, &assumed)
          }
          if target.step == .declared || target.step == .registration {
            assumed.insert(
              "\(name) is called by \(examination.name(of: node.entry)): \(target.step.rawValue)")
          }
        }
      }
      if let declared = examination.annotations[node.entry] {
        let name = examination.name(of: node.entry)
        if let frame = declared.frame {
          assumed.insert("\(name) has a frame of at most \(frame) bytes")
        }
        if let depth = declared.recursionDepth {
          assumed.insert("\(name) is at most \(depth) times in progress")
        }
      }
    }
    var counts: [String: Int] = [:]
    for step in steps.values { counts[step.rawValue, default: 0] += 1 }
    statistics = Report.Statistics(
      functionCount: Set(reached.map(\.entry)).count,
      instructionCount: Coverage(reached, examination.image).instructionCount,
      directCallCount: directCalls.count, indirectCounts: counts)
    assumptions = assumed.sorted() + declarations.unmatched
  }

  private static func count(
    _ site: CallSite, _ directCalls: inout Set<UInt64>, _ steps: inout [UInt64: ResolutionStep]
  ) {
    guard site.isIndirect else {
      directCalls.insert(site.address)
      return
    }
    let order = ResolutionStep.allCases
    let weakest =
      site.isUnresolved && site.targets.isEmpty
      ? .unresolved
      : site.targets.values.map(\.step).max {
        (order.firstIndex(of: $0) ?? 0) < (order.firstIndex(of: $1) ?? 0)
      } ?? .declared
    steps[site.address] = weakest
  }

  private static func note(
    _ declared: AnnotationIndex.Declarations, of name: String, isFollowed: Bool,
    _ assumed: inout Set<String>
  ) {
    if let reason = declared.trusted { assumed.insert("\(name) is trusted: \(reason)") }
    for (root, reason) in declared.permitted {
      assumed.insert("\(name) is permitted to \(root): \(reason)")
    }
    if declared.isFatal {
      assumed.insert("\(name) does not return, and what it does is not checked")
    }
    if !declared.saves.isEmpty { assumed.insert("\(name) saves \(declared.saves.names)") }
    if !declared.restores.isEmpty { assumed.insert("\(name) restores \(declared.restores.names)") }
    switch declared.interruptChange {
    case .disables: assumed.insert("\(name) turns interrupts off")
    case .enables: assumed.insert("\(name) turns interrupts on")
    case .restores: assumed.insert("\(name) turns interrupts back to what they were")
    case nil: break
    }
    if !isFollowed && !declared.isFatal {
      assumed.insert("\(name) is not looked into; its stack counts \(declared.frame ?? 0) bytes")
    }
  }
}

/// The code that was followed.
struct Coverage {
  /// Addresses of instructions.
  let addresses: Set<UInt64>

  var instructionCount: Int { addresses.count }

  init(_ nodes: [FunctionNode], _ image: CodeImage) {
    var instructions: Set<UInt64> = []
    for node in nodes {
      for (start, end) in node.ends {
        var address = start
        while address < end, let instruction = image.instruction(at: address) {
          instructions.insert(address)
          address = instruction.end
        }
      }
    }
    addresses = instructions
  }

  func contains(_ address: UInt64) -> Bool { addresses.contains(address) }
}
