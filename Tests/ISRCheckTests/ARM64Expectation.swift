@testable import ISRCheck

/// What the text of an instruction of AArch64 says of it.
struct ARM64Expectation {
  private let mnemonic: String
  /// Between the commas, brackets removed.
  private let operands: [String]
  private let text: String
  private let target: UInt64?

  init(_ line: Disassembly.Line) {
    mnemonic = line.mnemonic
    text = line.operands
    target = line.target
    operands = text.split { ", {}[]!".contains($0) }.map(String.init)
  }

  func agrees(with flow: Instruction.Flow) -> Bool {
    switch mnemonic {
    case "b", "b.al", "b.nv", "bc.al", "bc.nv": return flow == target.map { .jump($0) }
    case "bl": return flow == target.map { .call($0) }
    case "cbz", "tbz": return flow == target.map { .branch($0, .equal) }
    case "cbnz", "tbnz": return flow == target.map { .branch($0, .notEqual) }
    case "br", "braa", "brab", "braaz", "brabz":
      if case .indirectJump = flow { return true }
    case "blr", "blraa", "blrab", "blraaz", "blrabz":
      if case .indirectCall = flow { return true }
    case "ret", "retaa", "retab", "retaasppc", "retabsppc", "retaasppcr", "retabsppcr":
      return flow == .return
    case "eret", "eretaa", "eretab", "drps": return flow == .interruptReturn
    case "brk", "hlt", "udf", "tcancel", "dcps1", "dcps2", "dcps3": return flow == .stop
    default:
      if isConditionalBranch {
        if case .branch(let destination, let condition) = flow {
          let conditions: [Substring: Instruction.Condition] = [
            "eq": .equal, "ne": .notEqual, "lo": .below, "hs": .aboveOrEqual, "hi": .above,
            "ls": .belowOrEqual,
          ]
          guard mnemonic.hasPrefix("b") else { return destination == target }
          let name = mnemonic.split(separator: ".")[1]
          return destination == target && condition == conditions[name] ?? .other
        }
        return false
      }
      return flow == .next
    }
    return false
  }

  private var isConditionalBranch: Bool {
    mnemonic.hasPrefix("b.") || mnemonic.hasPrefix("bc.")
      || mnemonic.hasPrefix("cb") && mnemonic != "cbz" && mnemonic != "cbnz"
  }

  // MARK: Vector registers

  /// Whether an operand names a register of one of these kinds.
  private func isRegister(_ operand: String, _ kinds: String) -> Bool {
    guard let first = operand.first, kinds.contains(first) else { return false }
    let digits = operand.dropFirst().prefix { $0.isNumber }
    guard let number = Int(digits), number < 32 else { return operand == "za" || operand == "zt0" }
    let rest = operand.dropFirst(1 + digits.count)
    return rest.isEmpty || rest.hasPrefix(".") || rest.hasPrefix("/") || rest.hasPrefix("-")
      || (first == "z" && rest.isEmpty)
  }

  /// A vector register, a predicate or a tile.
  private func isVector(_ operand: String) -> Bool {
    isRegister(operand, "vqdshbzp") || operand.hasPrefix("za") || operand.hasPrefix("pn")
      || operand == "ffr" || operand == "zt0"
  }

  private var isMatrix: Bool {
    operands.contains { $0.hasPrefix("za") || $0 == "zt0" }
      || ["smstart", "smstop", "zero"].contains(mnemonic)
  }

  var touchesVectors: Bool {
    operands.contains(where: isVector) || systemRegisterAccess != nil
      || ["setffr", "smstart", "smstop", "zero"].contains(mnemonic)
  }

  /// Whether a system register with vector state is written (`true`) or read.
  private var systemRegisterAccess: Bool? {
    let names = ["FPCR", "FPSR", "FPMR", "SVCR"]
    let lengths = ["ZCR_EL", "SMCR_EL"]
    if mnemonic == "mrs", names.contains(where: text.uppercased().contains) { return false }
    if mnemonic == "msr", (names + lengths).contains(where: text.uppercased().contains) {
      return true
    }
    return nil
  }

  /// Whether vector registers are written; `nil` for those of the streaming mode, which are told
  /// apart coarsely.
  var extendedWrites: Bool? {
    if isMatrix || mnemonic.hasPrefix("mova") || mnemonic == "movt" { return nil }
    if let systemRegisterAccess { return systemRegisterAccess }
    guard touchesVectors else { return false }
    if mnemonic == "setffr" { return true }
    if isStore && text.contains("[") { return false }
    if mnemonic.hasPrefix("prf") { return false }
    if ["fcmp", "fcmpe", "fccmp", "fccmpe", "ptest"].contains(mnemonic) { return false }
    if ["[x", "[sp", "[z", "{"].contains(where: text.contains) {
      return !mnemonic.hasPrefix("stf")
    }
    return operands.first.map(isVector) ?? false
  }

  // MARK: General registers

  private func general(_ operand: String) -> RegisterSet {
    if operand == "sp" || operand == "wsp" { return [31] }
    guard isRegister(operand, "xw"), let number = UInt8(operand.dropFirst()), number < 31 else {
      return []
    }
    return [number]
  }

  /// The base register of an access that moves it.
  private var movedBase: RegisterSet {
    guard let open = text.lastIndex(of: "["), let close = text.lastIndex(of: "]") else {
      return []
    }
    let base = text[text.index(after: open)..<close].prefix { $0 != "," }
    guard base.hasPrefix("x") || base.hasPrefix("sp") else { return [] }
    let behind = text[text.index(after: close)...]
    guard behind.hasPrefix("!") || behind.hasPrefix(",") else { return [] }
    return general(base.trimmingCharacters(in: .whitespaces))
  }

  private var isStore: Bool {
    mnemonic.hasPrefix("st") && !isMatrix || mnemonic.hasPrefix("gcsst")
  }

  var writesMemory: Bool {
    (isStore && text.contains("[")) || mnemonic.hasPrefix("cas") || mnemonic.hasPrefix("swp")
      || mnemonic.hasPrefix("ldadd") || mnemonic.hasPrefix("ldset")
      || mnemonic.hasPrefix("cpy") && text.contains("!")
  }

  /// General registers that are written for sure.
  var overwrites: RegisterSet {
    var result = movedBase
    guard let first = operands.first else { return result }
    let reading = [
      "cmp", "cmn", "tst", "ccmp", "ccmn", "msr", "msrr", "sys", "sysp", "dc", "ic", "at", "tlbi",
      "tlbip", "cfp", "dvp", "cpp", "cosp", "rmif", "setf8", "setf16", "wfet", "wfit", "trcit",
      "cmpp",
      "ctermeq", "ctermne", "br", "blr", "ret", "tbz", "tbnz", "brb", "gcspushm", "gcsss1",
      "gcsss2", "prfm", "rprfm", "prfum", "gic", "apas", "mlbi", "plbi", "plbip", "gsb",
    ]
    if reading.contains(mnemonic) || mnemonic.hasPrefix("cb") || mnemonic.hasPrefix("bra")
      || mnemonic.hasPrefix("blra") || mnemonic.hasPrefix("brb") || mnemonic.hasPrefix("blrb")
      || mnemonic.hasPrefix("reta") || mnemonic.hasPrefix("retb")
    {
      return result
    }
    if isStore {
      // The status of an exclusive store.
      if mnemonic.contains("xr") || mnemonic.contains("xp") { result.formUnion(general(first)) }
      return result
    }
    if mnemonic.hasPrefix("cpy") || mnemonic.hasPrefix("set") {
      let moved = mnemonic.hasPrefix("set") ? operands.prefix(2) : operands.prefix(3)
      return text.contains("!") ? moved.reduce(into: result) { $0.formUnion(general($1)) } : result
    }
    if mnemonic.hasPrefix("cas") { return result.union(general(first)) }
    if mnemonic.hasPrefix("ldp") || mnemonic.hasPrefix("ldnp") || mnemonic.hasPrefix("ldxp")
      || mnemonic.hasPrefix("ldaxp") || mnemonic.hasPrefix("ldiapp") || mnemonic.hasPrefix("ldtp")
      || mnemonic.hasPrefix("mrrs")
    {
      return result.union(general(first)).union(general(operands[1]))
    }
    let atomics = [
      "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp", "rcw",
    ]
    if atomics.contains(where: mnemonic.hasPrefix) {
      return operands.count > 1 ? result.union(general(operands[1])) : result
    }
    return result.union(general(first))
  }

  /// All general registers that are written, for the kinds of which this is sure.
  var exactOverwrites: RegisterSet? {
    let exact = [
      "add", "sub", "adds", "subs", "and", "orr", "eor", "mov", "ldr", "str", "ldrb", "strb",
      "ldrh", "strh", "ldp", "stp", "ldur", "stur", "cmp", "cmn", "tst", "csel", "csinc", "madd",
      "mul", "ubfx", "sbfx", "lsl", "lsr", "movk", "fmov", "fcvtzs", "umov", "cntb", "ld1", "st1",
      "ccmp", "fadd", "scvtf", "ldrsw", "ldrsb", "ldrsh", "stlr", "ldar", "nop", "b", "tbz", "cbz",
    ]
    return exact.contains(mnemonic) ? overwrites : nil
  }
}
