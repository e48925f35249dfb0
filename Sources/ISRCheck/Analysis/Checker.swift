import ELF

/// The check of one image: reads it, follows all that interrupts can reach, and applies the rules.
public struct Checker {
  private let path: String
  private let options: CheckOptions
  private let image: CodeImage
  private let declarations: Declarations
  private let exploration: Exploration
  private let reaches: [Reach]
  private let vectors: [VectorEntry]
  private let registrations: [Exploration.Registration: Set<UInt64>?]
  private let scan: LazyScan

  /// Reads the image and the policies, and follows the code. Takes time and memory in proportion
  /// to the code that interrupts reach; if locks or functions that register handlers are declared,
  /// all code is read once besides.
  public init(path: String, options: CheckOptions) throws(CheckFailure) {
    self.path = path
    self.options = options
    let file: ELFFile
    do { file = try ELFFile(path: path) } catch { throw .unreadable(error.description) }
    image = try CodeImage(file)
    scan = LazyScan(image)
    declarations = try Declarations(image, options)
    var index = AnnotationIndex(declarations.annotations)
    registrations = Self.register(&index, image, scan)
    let addressTaken = options.bound ? scan.value.addressTaken.sorted() : nil
    exploration = Exploration(image, index, addressTaken: addressTaken)
    (reaches, vectors) = try Self.explore(exploration, options)
  }

  /// Finds the handlers that are registered anywhere in the image, and declares them.
  private static func register(
    _ index: inout AnnotationIndex, _ image: CodeImage, _ scan: LazyScan
  ) -> [Exploration.Registration: Set<UInt64>?] {
    let registering = index.functions { !$0.registers.isEmpty }
    guard !registering.isEmpty else { return [:] }
    let callers = Set(registering.flatMap { scan.value.callers[$0] ?? [] })
    let shallow = Exploration(image, index, isShallow: true)
    for caller in callers.subtracting(registering).sorted() {
      _ = shallow.node(caller, .init(interrupts: .on, saved: []))
      shallow.run()
    }
    for (registration, handlers) in shallow.registrations {
      for handler in handlers ?? [] {
        if registration.set == 0 {
          index.addRoot(handler, level: 0)
        } else {
          index.addMember(handler, set: registration.set)
        }
      }
    }
    return shallow.registrations
  }

  /// Follows the code from all roots and vectors.
  private static func explore(
    _ exploration: Exploration, _ options: CheckOptions
  ) throws(CheckFailure) -> ([Reach], [VectorEntry]) {
    let annotations = exploration.annotations
    let context = FunctionNode.Context(interrupts: .off, saved: [])
    var vectors = VectorEntry.all(of: annotations, in: exploration.image)
    for index in vectors.indices where exploration.image.isCode(vectors[index].entry) {
      vectors[index].node = exploration.node(vectors[index].entry, context).index
    }
    exploration.run()
    for index in vectors.indices {
      guard let node = vectors[index].node else { continue }
      vectors[index].root = declaredRoot(from: node, exploration)
    }
    let wanted = Set(options.roots.flatMap(exploration.image.functions.addresses(named:)))
    var roots: [Reach.Root] = []
    for root in annotations.roots where wanted.isEmpty || wanted.contains(root.function) {
      // What enters by way of a vector is followed from there: its entry code may save registers.
      var entries = vectors.filter { $0.root == root.function }.compactMap(\.node)
      if entries.isEmpty { entries = [exploration.node(root.function, context).index] }
      roots.append(
        Reach.Root(
          name: Examination.name(of: root.function, exploration.image), function: root.function,
          level: root.level, vector: root.vector, stack: root.stack,
          entries: Array(Set(entries)).sorted()))
    }
    exploration.run()
    // Code that the hardware enters is followed also where nobody has declared it.
    for vector in vectors where vector.root == nil && wanted.isEmpty {
      guard let node = vector.node, !roots.contains(where: { $0.entries.contains(node) }) else {
        continue
      }
      roots.append(
        Reach.Root(
          name: Examination.name(of: vector.entry, exploration.image), function: vector.entry,
          level: 0, vector: UInt64(vector.number), stack: nil, entries: [node]))
    }
    guard !roots.isEmpty else {
      throw .notAnalysable(
        "\(exploration.image.file.path) declares no roots, so there is nothing to check: name the "
          + "functions that interrupts enter with --root or in a policy file (--policy)")
    }
    return (roots.map { Reach($0, exploration) }, vectors)
  }

  /// The first declared root that code runs into.
  private static func declaredRoot(from start: Int, _ exploration: Exploration) -> UInt64? {
    var seen: Set<Int> = [start]
    var queue = [start]
    var next = 0
    while next < queue.count {
      let node = exploration.nodes[queue[next]]
      next += 1
      if exploration.annotations[node.entry]?.isRoot == true { return node.entry }
      for callee in Components.successors(of: node.index, in: exploration).sorted()
      where seen.insert(callee).inserted { queue.append(callee) }
    }
    return nil
  }

  // MARK: Results

  private var examination: Examination {
    var sites: [UInt64: UInt64] = [:]
    for (registration, handlers) in registrations {
      for handler in handlers ?? [] {
        sites[handler] = min(sites[handler] ?? .max, registration.site)
      }
    }
    return Examination(
      image: image, exploration: exploration, reaches: reaches, registrationSites: sites,
      options: options)
  }

  /// All findings; source lines are filled in by `SourceLines`.
  public func report() throws(CheckFailure) -> Report {
    let examination = examination
    let components = Components(of: reaches.flatMap(\.root.entries), in: exploration)
    let bounds = StackBounds(exploration, components)
    var findings = examination.extendedRegisters()
    findings += examination.deniedCalls()
    findings += examination.unresolvedCalls()
    findings += examination.unknownRegistrations(registrations)
    findings += examination.recursion(components)
    findings += examination.stackOverflows(bounds)
    findings += examination.unboundedFrames()
    findings += examination.interruptState()
    findings += examination.lockInversions { scan.value }
    findings += examination.undecodable()
    findings += examination.undeclaredVectors(vectors)
    if options.strict { findings += examination.notAnnotated() }
    if let trace = options.trace { findings += try examination.tracedOutside(trace) }
    let census = Census(examination, declarations)
    return Report(
      image: path, buildID: image.file.buildID.map(Self.hexadecimal),
      digest: image.digest, architecture: image.file.architecture == .x86_64 ? "x86_64" : "aarch64",
      mode: .init(prove: options.prove, strict: options.strict),
      roots: reaches.map { reach in
        Report.Root(
          name: reach.root.name, level: reach.root.level, vector: reach.root.vector,
          functionCount: Set(reach.nodes.map { exploration.nodes[$0].entry }).count,
          stack: examination.stack(of: reach, bounds),
          nestedStack: examination.nestedStack(of: reach, bounds),
          stackSize: reach.root.stack.map { UInt64($0.size) })
      },
      statistics: census.statistics, assumptions: census.assumptions,
      findings: findings.sorted(by: Self.precedes))
  }

  private static func precedes(_ a: Finding, _ b: Finding) -> Bool {
    if a.severity != b.severity { return a.severity > b.severity }
    return (a.rule, a.place.address, a.root ?? "", a.message)
      < (b.rule, b.place.address, b.root ?? "", b.message)
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// The instructions that interrupts can reach.
  var coverage: Coverage {
    Coverage(Set(reaches.flatMap(\.nodes)).sorted().map { exploration.nodes[$0] }, image)
  }

  /// The functions that are reached, and the calls between them.
  public func graph() throws(CheckFailure) -> CallGraph {
    let reached = Set(reaches.flatMap(\.nodes)).sorted()
    let roots = Set(reaches.map(\.root.function))
    var ids: [UInt64: Int] = [:]
    var graph = CallGraph()
    for index in reached {
      let entry = exploration.nodes[index].entry
      guard ids[entry] == nil else { continue }
      ids[entry] = graph.nodes.count
      graph.nodes.append(
        GraphNode(
          id: graph.nodes.count, name: Examination.name(of: entry, image),
          isRoot: roots.contains(entry)))
    }
    var seen: Set<[Int]> = []
    for index in reached {
      let node = exploration.nodes[index]
      for site in node.sites.values.sorted(by: { $0.address < $1.address }) {
        for target in site.targets.values {
          guard let callee = target.node, let from = ids[node.entry],
            let to = ids[exploration.nodes[callee].entry], seen.insert([from, to]).inserted
          else { continue }
          graph.edges.append(GraphEdge(from: from, to: to, step: target.step))
        }
      }
    }
    return graph
  }

  /// The shortest chain of calls from a root to a function, or `nil` if there is none.
  ///
  /// Both may be symbols or readable names; of a function that is not looked into the chain ends
  /// with its call.
  public func why(root: String, target: String) throws(CheckFailure) -> [Call]? {
    let targets = Set(try declarations.functions(named: target, in: image))
    let matching = reaches.filter { $0.root.name == root || isNamed($0.root.function, root) }
    guard !matching.isEmpty else {
      throw .notAnalysable(
        "\(root) is no root of \(path); its roots are: "
          + reaches.map(\.root.name).sorted().joined(separator: ", "))
    }
    let examination = examination
    for reach in matching {
      for index in reach.nodes {
        let node = exploration.nodes[index]
        if targets.contains(node.entry) {
          return examination.calls(to: index, of: reach)
        }
        for site in node.sites.values.sorted(by: { $0.address < $1.address }) {
          for (entry, known) in site.targets where targets.contains(entry) && known.node == nil {
            return examination.calls(to: index, of: reach) + [
              Call(
                place: examination.place(of: site.address, in: node.entry),
                callee: examination.name(of: entry), step: known.step)
            ]
          }
        }
      }
    }
    return nil
  }

  private func isNamed(_ address: UInt64, _ name: String) -> Bool {
    guard let function = image.functions.function(startingAt: address) else { return false }
    return function.symbol == name || function.aliases.contains(name)
  }
}

/// The scan of all functions, made when it is first asked for.
private final class LazyScan {
  private let image: CodeImage
  lazy var value = ImageScan(image)

  init(_ image: CodeImage) { self.image = image }
}
