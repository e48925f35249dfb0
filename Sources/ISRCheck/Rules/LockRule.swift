/// A lock that an interrupt takes must be taken with interrupts off everywhere: or the handler
/// waits for the very code that it interrupted. This is lockdep's rule for a single lock, over all
/// paths of the image.
extension Examination {
  func lockInversions(_ scan: () -> ImageScan) -> [Finding] {
    guard severity(of: .lockInversion) != nil else { return [] }
    let acquiring = annotations.functions { $0.acquires != nil }
    guard !acquiring.isEmpty else { return [] }
    // The first place in an interrupt where a class of locks is taken.
    var taken: [LockClass: (reach: Reach, node: Int, site: CallSite)] = [:]
    for reach in reaches {
      for index in reach.nodes {
        for site in exploration.nodes[index].sites.values.sorted(by: { $0.address < $1.address }) {
          if let lock = site.lock, lock.isKnown, taken[lock] == nil {
            taken[lock] = (reach, index, site)
          }
        }
      }
    }
    guard !taken.isEmpty else { return [] }
    var thread = ThreadCode(self, scan())
    let places = thread.acquisitions(of: Set(taken.keys), by: acquiring)
    return taken.sorted { $0.key < $1.key }.compactMap { lock, inside in
      guard let outside = places[lock] else { return nil }
      let place = place(of: outside, in: outside)
      return finding(
        .lockInversion,
        "takes lock \(lock.name), which \(place.function) takes with interrupts on",
        at: inside.site.address, in: inside.node, of: inside.reach,
        notes: ["taken with interrupts on at \(place.function)+\(Self.hex(place.offset))"])
    }
  }
}

/// Code outside of interrupts: where it takes locks, and whether interrupts may be on there.
private struct ThreadCode {
  let examination: Examination
  let scan: ImageScan
  private let exploration: Exploration
  private var entered: [UInt64: Bool] = [:]

  init(_ examination: Examination, _ scan: ImageScan) {
    self.examination = examination
    self.scan = scan
    exploration = Exploration(examination.image, examination.annotations, isShallow: true)
  }

  /// For each class the first place where it is taken with interrupts on.
  mutating func acquisitions(
    of classes: Set<LockClass>, by acquiring: Set<UInt64>
  ) -> [LockClass: UInt64] {
    var places: [LockClass: UInt64] = [:]
    let callers = Set(acquiring.flatMap { scan.callers[$0] ?? [] }).subtracting(acquiring)
    for caller in callers.sorted() {
      for site in node(caller).sites.values.sorted(by: { $0.address < $1.address }) {
        guard let lock = site.lock, classes.contains(lock), places[lock] == nil,
          site.interrupts != .off, !site.lockDisablesInterrupts, mayBeEnteredWithInterrupts(caller)
        else { continue }
        places[lock] = site.address
      }
    }
    return places
  }

  /// The function, entered with interrupts on.
  private func node(_ entry: UInt64) -> FunctionNode {
    let node = exploration.node(entry, .init(interrupts: .on, saved: []))
    exploration.run()
    return node
  }

  /// Whether some caller reaches the function with interrupts on. Who has no known caller is
  /// entered with interrupts on; roots are not.
  private mutating func mayBeEnteredWithInterrupts(_ start: UInt64) -> Bool {
    var seen: Set<UInt64> = [start]
    var queue = [start]
    while let function = queue.popLast() {
      if let known = entered[function] {
        if known { return true }
        continue
      }
      if examination.annotations[function]?.isRoot == true { continue }
      let callers = scan.callers[function] ?? []
      if callers.isEmpty || scan.addressTaken.contains(function) {
        entered[start] = true
        return true
      }
      for caller in callers where !seen.contains(caller) {
        let reaches = node(caller).sites.values.contains {
          $0.targets[function] != nil && $0.interrupts != .off
        }
        if reaches {
          seen.insert(caller)
          queue.append(caller)
        }
      }
    }
    entered[start] = false
    return false
  }
}
