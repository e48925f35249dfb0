/// What one line of a policy file declares.
struct PolicyLine {
  typealias Problem = PolicyFileError.Problem

  var glob: Glob
  var kind: Annotation.Kind

  /// The words that a line begins with; `deny` is another spelling of `denied`.
  static let words = [
    "root", "vectors", "trusted", "denied", "fatal", "registers", "calls", "member", "acquires",
    "releases", "stack", "frame", "saves", "restores", "recursion", "safe", "interrupts",
    "indirect", "returns", "fault", "permit",
  ]

  /// Reads a line; gives `nil` if nothing but a comment is in it.
  init?(_ line: Substring.UTF8View) throws(Problem) {
    var scanner = PolicyScanner(line)
    guard let first = try scanner.next() else { return nil }
    let word = first.text == "deny" ? "denied" : first.text
    guard Self.words.contains(word) else {
      throw .unknownWord(first.text, nearest: Spelling.nearest(to: first.text, in: Self.words))
    }
    guard let pattern = try scanner.next(unescaping: false) else {
      throw .missingGlob(word: first.text)
    }
    do throws(Glob.PatternError) {
      glob = try Glob(pattern.text)
    } catch {
      throw .badGlob(pattern.text, error)
    }
    var options = try PolicyOptions(word: word, &scanner)
    kind = try Self.kind(word, &options)
    try options.finish()
  }

  private static func kind(
    _ word: String, _ options: inout PolicyOptions
  ) throws(Problem) -> Annotation.Kind {
    switch word {
    case "root":
      return .root(
        level: try options.number("level") ?? 0,
        vector: try options.number("vector", in: 0...(.max - 1)))
    case "vectors":
      let count: UInt32? = try options.number("count", in: 1...(.max))
      return .vectors(
        count: try options.need(count, "count=NUMBER"), stride: try options.number("stride") ?? 0)
    case "trusted":
      guard let reason = options.text(), !reason.isEmpty else { throw .missingText(word: word) }
      return .trusted(reason: reason)
    case "denied":
      let denial = try options.choice([
        ("allocates", Annotation.Denial.allocates), ("blocks", .blocks),
      ])
      let reason = options.text()
      return .denied(denial ?? .other, reason: reason?.isEmpty == true ? nil : reason)
    case "fatal": return .fatal
    case "registers":
      let argument: UInt32? = try options.number("argument")
      return .registersHandler(
        argument: try options.need(argument, "argument=NUMBER"),
        set: try options.identifier("set") ?? 0)
    case "calls":
      let orNobody = try options.flag("or-nobody")
      return .callsMembers(
        set: try options.need(try options.identifier("set"), "set=NAME"), orNobody: orNobody)
    case "member":
      return .member(set: try options.need(try options.identifier("set"), "set=NAME"))
    case "acquires": return .acquires(try lock(&options))
    case "releases": return .releases(try lock(&options))
    case "stack":
      return .stack(
        size: try options.need(try options.size("size", minimum: 1), "size=BYTES"),
        stack: try options.identifier("stack") ?? 0)
    case "frame":
      return .frame(size: try options.need(try options.size("size", minimum: 0), "size=BYTES"))
    case "saves": return .savesExtendedState(try state(&options))
    case "restores": return .restoresExtendedState(try state(&options))
    case "recursion":
      let depth: UInt32? = try options.number("depth", in: 1...(.max))
      return .recursion(depth: try options.need(depth, "depth=NUMBER"))
    case "safe": return .interruptSafe
    case "interrupts":
      let change = try options.choice([
        ("disables", Annotation.InterruptChange.disables), ("enables", .enables),
        ("restores", .restores),
      ])
      return .interruptState(try options.need(change, "disables, enables or restores"))
    case "indirect":
      let number = try options.oneOf("register", Self.registers)
      return .indirectThunk(register: try options.need(number, "register=NAME"))
    case "returns": return .returnThunk
    case "fault": return .fault
    case "permit":
      let root = try options.need(try options.value("root"), "root=NAME")
      guard let reason = options.text(), !reason.isEmpty else { throw .missingText(word: word) }
      return .permitted(root: root, reason: reason)
    default: throw .unknownWord(word, nearest: nil)
    }
  }

  private static func lock(_ options: inout PolicyOptions) throws(Problem) -> Annotation.Lock {
    Annotation.Lock(
      argument: try options.number("argument", in: 0...254),
      className: try options.value("class"),
      disablesInterrupts: try options.flag("interrupts-off"))
  }

  private static func state(_ options: inout PolicyOptions) throws(Problem) -> ExtendedState {
    let groups: [(String, ExtendedState)] = [
      ("x87", .x87), ("sse", .sse), ("avx", .avx), ("avx512", .avx512), ("amx", .amx),
      ("simd", .simd), ("sve", .sve), ("sme", .sme),
      ("all", ExtendedState.allX86.union(.allARM)),
    ]
    let example = "state=x87,sse or another list of groups"
    var state: ExtendedState = []
    for name in try options.need(try options.value("state"), example).split(separator: ",") {
      state.formUnion(try options.named(String(name), "state", groups))
    }
    guard !state.isEmpty else { throw .missingValue(option: "state") }
    return state
  }

  /// General registers by their names, with the numbers of the instruction sets.
  private static let registers: [(String, UInt8)] = {
    let first = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"]
    let x86 = (first + (8...15).map { "r\($0)" }).enumerated().map { ($1, UInt8($0)) }
    return x86 + (0...30).map { ("x\($0)", UInt8($0)) }
  }()
}
