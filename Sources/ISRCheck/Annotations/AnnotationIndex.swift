/// The annotations of an image by the function that they are about.
struct AnnotationIndex {
  /// What is declared of one function.
  struct Declarations {
    var isRoot = false
    var trusted: String?
    var denied: (Annotation.Denial, reason: String?)?
    var isFatal = false
    var registers: [(argument: UInt32, set: UInt64)] = []
    var calledSets: [UInt64] = []
    var mayCallNobody = false
    var acquires: Annotation.Lock?
    var releases: Annotation.Lock?
    var frame: UInt32?
    var saves: ExtendedState = []
    var restores: ExtendedState = []
    var recursionDepth: UInt32?
    var isInterruptSafe = false
    var interruptChange: Annotation.InterruptChange?
    var thunkRegister: UInt8?
    var isReturnThunk = false
    var isFault = false
    /// The roots that may reach it although it is denied, and why.
    var permitted: [String: String] = [:]
  }

  /// A place where interrupts enter.
  struct Root {
    var function: UInt64
    var level: UInt32
    var vector: UInt64?
    var stack: (size: UInt32, id: UInt64)?
  }

  /// A table of vectors.
  struct VectorTable {
    var address: UInt64
    var count: UInt32
    var stride: UInt64
  }

  private(set) var roots: [Root] = []
  private(set) var vectorTables: [VectorTable] = []
  /// Members of sets, with how they are known.
  private(set) var members: [UInt64: [UInt64: ResolutionStep]] = [:]
  private var declarations: [UInt64: Declarations] = [:]

  init(_ annotations: [Annotation]) {
    var stacks: [UInt64: (UInt32, UInt64)] = [:]
    for annotation in annotations {
      let function = annotation.function
      switch annotation.kind {
      case .root(let level, let vector):
        declarations[function, default: .init()].isRoot = true
        if !roots.contains(where: { $0.function == function }) {
          roots.append(Root(function: function, level: level, vector: vector))
        }
      case .vectors(let count, let stride):
        vectorTables.append(.init(address: function, count: count, stride: stride))
      case .stack(let size, let stack): stacks[function] = (size, stack)
      case .member(let set): members[set, default: [:]][function] = .declared
      default: Self.add(annotation.kind, to: &declarations[function, default: .init()])
      }
    }
    for index in roots.indices {
      roots[index].stack = stacks[roots[index].function].map { (size: $0.0, id: $0.1) }
    }
  }

  private static func add(_ kind: Annotation.Kind, to declarations: inout Declarations) {
    switch kind {
    case .root, .vectors, .stack, .member: break
    case .trusted(let reason): declarations.trusted = reason
    case .denied(let denial, let reason): declarations.denied = (denial, reason)
    case .fatal: declarations.isFatal = true
    case .registersHandler(let argument, let set): declarations.registers.append((argument, set))
    case .callsMembers(let set, let orNobody):
      declarations.calledSets.append(set)
      declarations.mayCallNobody = declarations.mayCallNobody || orNobody
    case .acquires(let lock): declarations.acquires = lock
    case .releases(let lock): declarations.releases = lock
    case .frame(let size): declarations.frame = size
    case .savesExtendedState(let state): declarations.saves.formUnion(state)
    case .restoresExtendedState(let state): declarations.restores.formUnion(state)
    case .recursion(let depth): declarations.recursionDepth = depth
    case .interruptSafe: declarations.isInterruptSafe = true
    case .interruptState(let change): declarations.interruptChange = change
    case .indirectThunk(let register): declarations.thunkRegister = register
    case .returnThunk: declarations.isReturnThunk = true
    case .fault: declarations.isFault = true
    case .permitted(let root, let reason): declarations.permitted[root] = reason
    }
  }

  /// What is declared of the function at an address, or `nil`.
  subscript(function: UInt64) -> Declarations? { declarations[function] }

  /// Adds a root that was registered at run time.
  mutating func addRoot(_ function: UInt64, level: UInt32) {
    guard declarations[function]?.isRoot != true else { return }
    declarations[function, default: .init()].isRoot = true
    roots.append(Root(function: function, level: level, vector: nil))
  }

  /// Adds a member that was registered at run time.
  mutating func addMember(_ function: UInt64, set: UInt64) {
    if members[set]?[function] == nil { members[set, default: [:]][function] = .registration }
  }

  /// All functions of which something is declared that calls of them have to heed.
  func functions(where predicate: (Declarations) -> Bool) -> Set<UInt64> {
    Set(declarations.filter { predicate($0.value) }.keys)
  }
}
