import ELF
import Foundation
import Testing

@testable import ISRCheck

/// The decoder against the toolchain's disassembler, on a library that this machine runs.
@Suite struct X86OracleTests {
  /// The C library's mathematics, with all vector extensions, as this process has it in memory.
  static let library: String? = {
    let data = FileHandle(forReadingAtPath: "/proc/self/maps")?.readDataToEndOfFile() ?? Data()
    let maps = String(decoding: data, as: UTF8.self)
    let line = maps.split(separator: "\n").first {
      $0.contains("/libm.so") || $0.contains("/libm-")
    }
    return line?.split(separator: " ").last.map(String.init)
  }()

  @Test(.enabled(if: library != nil, "there is no libm"))
  func aLibrary() throws {
    let directory = try ScratchDirectory()
    // By its identity the disassembler would find a file with debugging information instead, in
    // which there is no code.
    try Toolchain.run(
      "llvm-objcopy",
      ["--remove-section=.note.gnu.build-id", try #require(Self.library), "library"],
      in: directory.url)
    let lines = try Disassembly(
      of: "library", arguments: ["-M", "intel", "--section=.text"], in: directory.url
    ).lines
    try #require(lines.count > 50_000)
    var touching = 0
    let decoder = X86Decoder()
    for line in lines {
      let instruction = line.bytes.withUnsafeBytes { decoder.decode($0, at: line.address) }
      guard let instruction else {
        Issue.record("not decoded: \(line.description)")
        continue
      }
      let expected = X86Expectation(line)
      if !expected.agrees(with: instruction, length: line.bytes.count) {
        Issue.record("\(line.description): \(instruction)")
      }
      touching += expected.touchesExtended ? 1 : 0
    }
    #expect(touching > 10_000)
  }
}

/// What the text of an instruction of x86-64 in Intel's syntax says of it.
struct X86Expectation {
  private let mnemonic: String
  private let operands: [Substring]
  private let target: UInt64?

  init(_ line: Disassembly.Line) {
    mnemonic = line.mnemonic
    operands = line.operands.split(separator: ",").map { $0.drop { $0 == " " } }
    target = line.target
  }

  func agrees(with instruction: Instruction, length: Int) -> Bool {
    guard Int(instruction.length) == length, agrees(with: instruction.flow) else { return false }
    let writes = !instruction.extendedWrites.isEmpty
    if writes != writesExtended { return false }
    let touches = writes || !instruction.extendedReads.isEmpty
    if touches != touchesExtended { return false }
    return exactOverwrites.map { $0 == instruction.overwrites } ?? true
  }

  private func agrees(with flow: Instruction.Flow) -> Bool {
    switch mnemonic {
    case "jmp":
      if let target { return flow == .jump(target) }
      if case .indirectJump = flow { return true }
      return false
    case "call":
      if let target { return flow == .call(target) }
      if case .indirectCall = flow { return true }
      return false
    case "ret": return flow == .return
    case "ud2": return flow == .stop
    default:
      if mnemonic.hasPrefix("j") || mnemonic.hasPrefix("loop") {
        if case .branch(let destination, _) = flow { return destination == target }
        return false
      }
      return flow == .next
    }
  }

  private static let comparing = [
    "comis", "ucomis", "vcomis", "vucomis", "ptest", "vptest", "vtestp", "kortest", "ktest",
    "pcmpistri", "pcmpestri", "vpcmpistri", "vpcmpestri",
  ]

  /// Instructions that write their first operand, or nothing, and no other register.
  private static let writing: Set<String> = [
    "mov", "movzx", "movsx", "movsxd", "lea", "add", "sub", "and", "or", "xor", "shl", "shr",
    "sar", "neg", "not", "inc", "dec", "pop", "bsf", "bsr", "movd", "movq", "movmskpd",
    "cvttsd2si", "vcvttsd2si", "vmovq", "vmovd", "kmovd", "cmove", "cmovne", "sete", "setne",
    "sbb", "adc", "movabs", "vpextrq", "pextrw", "vmovmskpd", "rol", "ror", "shlx", "shrx",
    "sarx", "andn", "blsr", "movaps", "addsd", "vaddsd", "vfmadd213sd", "movsd", "cmp", "test",
    "comisd", "jmp", "je", "jne", "push", "nop", "call", "ret",
  ]

  // MARK: Extended registers

  private func isExtended(_ operand: Substring) -> Bool {
    let name = operand.prefix { $0.isLetter }
    guard ["xmm", "ymm", "zmm", "mm", "k", "tmm", "st"].contains(name) else { return false }
    return name == "st" || operand.dropFirst(name.count).first?.isNumber == true
  }

  private var isX87: Bool {
    mnemonic.hasPrefix("f") && !["femms", "fxsave", "fxrstor", "fwait"].contains(mnemonic)
  }

  /// A mask or a vector as an index, too.
  private var namesOne: Bool {
    operands.contains { operand in
      isExtended(operand) || operand.contains("{k") || operand.contains("mm")
    }
  }

  var touchesExtended: Bool {
    isX87 || namesOne
      || ["vzeroupper", "vzeroall", "ldmxcsr", "stmxcsr", "vldmxcsr", "vstmxcsr", "emms"]
        .contains(mnemonic)
  }

  private var writesExtended: Bool {
    if isX87 { return !mnemonic.hasPrefix("fnst") || mnemonic == "fnstenv" }
    switch mnemonic {
    case "vzeroupper", "vzeroall", "ldmxcsr", "vldmxcsr", "emms": return true
    default: break
    }
    let comparing = Self.comparing
    if comparing.contains(where: mnemonic.hasPrefix) && !mnemonic.hasPrefix("vptestn")
      && !mnemonic.hasPrefix("vptestm")
    {
      return false
    }
    return operands.first.map(isExtended) ?? false
  }

  // MARK: General registers

  private static let registers: [Substring: UInt8] = {
    var result: [Substring: UInt8] = [:]
    for (number, name) in ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"].enumerated() {
      for form in ["r\(name)", "e\(name)", name] { result[form[...]] = UInt8(number) }
      result["\(name.last == "x" ? String(name.prefix(1)) : name)l"] = UInt8(number)
      if name.last == "x" { result["\(name.prefix(1))h"] = UInt8(number) }
    }
    for number in 8..<16 {
      for form in ["", "d", "w", "b"] { result["r\(number)\(form)"] = UInt8(number) }
    }
    return result
  }()

  /// The registers that are written, for instructions that write their first operand alone.
  private var exactOverwrites: RegisterSet? {
    guard Self.writing.contains(mnemonic) else { return nil }
    if ["cmp", "test", "jmp", "je", "jne", "push", "nop", "call", "ret"].contains(mnemonic) {
      return []
    }
    guard let first = operands.first, let number = Self.registers[first] else { return [] }
    return [number]
  }
}
