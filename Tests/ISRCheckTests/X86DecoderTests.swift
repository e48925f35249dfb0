import TestSupport
import Testing

@testable import ISRCheck

/// Flow, operations and overwritten registers of x86-64 instructions.
@Suite struct X86DecoderTests {
  /// An instruction at 0x1000 and its meaning.
  struct Row: Sendable {
    var assembly: String
    var flow: Instruction.Flow
    var operation: Instruction.Operation
    var overwrites: RegisterSet
    var writesMemory: Bool

    init(
      _ assembly: String, _ operation: Instruction.Operation = .none,
      flow: Instruction.Flow = .next, overwrites: RegisterSet = [], memory: Bool = false
    ) {
      self.assembly = assembly
      self.operation = operation
      self.flow = flow
      self.overwrites = overwrites
      writesMemory = memory
    }
  }

  @Test(arguments: [flows, moves, sums, stack, others])
  func meanings(_ rows: [Row]) throws {
    for (row, instruction) in zip(rows, try X86Assembly.decoded(rows.map(\.assembly))) {
      let instruction = try #require(instruction, "\(row.assembly)")
      #expect(instruction.flow == row.flow, "\(row.assembly)")
      #expect(instruction.operation == row.operation, "\(row.assembly)")
      #expect(instruction.overwrites == row.overwrites, "\(row.assembly)")
      #expect(instruction.writesMemory == row.writesMemory, "\(row.assembly)")
    }
  }

  @Test func randomBytes() {
    var generator = SplitMix64(seed: 86)
    let decoder = X86Decoder()
    for _ in 0..<20_000 {
      let words = [generator.next(), generator.next()]
      words.withUnsafeBytes { bytes in
        let part = UnsafeRawBufferPointer(rebasing: bytes[..<Int(words[0] % 17)])
        let instruction = decoder.decode(part, at: words[1])
        #expect((instruction == nil) == (decoder.text(part, at: words[1]) == nil))
        if let instruction {
          #expect(instruction.length > 0 && instruction.length <= min(part.count, 15))
        }
      }
    }
  }

  static let flows: [Row] = [
    Row("jmp .+8", flow: .jump(0x1008)),
    Row("jmp .-256", flow: .jump(0xf00)),
    Row("je .+8", flow: .branch(0x1008, .equal)),
    Row("jne .+256", flow: .branch(0x1100, .notEqual)),
    Row("jb .+8", flow: .branch(0x1008, .below)),
    Row("jae .+8", flow: .branch(0x1008, .aboveOrEqual)),
    Row("jbe .+8", flow: .branch(0x1008, .belowOrEqual)),
    Row("ja .+8", flow: .branch(0x1008, .above)),
    Row("jl .+8", flow: .branch(0x1008, .other)),
    Row("jrcxz .+8", flow: .branch(0x1008, .other)),
    Row("loop .+8", flow: .branch(0x1008, .other), overwrites: [1]),
    Row("call .+16", flow: .call(0x1010), memory: true),
    Row("jmp rax", flow: .indirectJump(r(0))),
    Row("notrack jmp r11", flow: .indirectJump(r(11))),
    Row("jmp [rip+0x100]", flow: .indirectJump(.memory(Memory(displacement: 0x1106, size: 8)))),
    Row("jmp [rax*8+0x40]", flow: .indirectJump(.memory(at(nil, 0, 8, 0x40)))),
    Row("call rdx", flow: .indirectCall(r(2)), memory: true),
    Row("call [rbx+8]", flow: .indirectCall(.memory(at(3, plus: 8))), memory: true),
    Row("ret", flow: .return),
    Row("ret 16", flow: .return),
    Row("iretq", flow: .interruptReturn),
    Row("sysretq", flow: .interruptReturn),
    Row("ud2", flow: .stop),
    Row("hlt"), Row("nop"), Row("int3"), Row("pause"), Row("endbr64"),
    Row("nop word ptr [rax+rax]"),
  ]

  static let moves: [Row] = [
    Row("mov rax, rbx", copy(0, r(3)), overwrites: [0]),
    Row("mov eax, ebx", copy(0, r(3), 32), overwrites: [0]),
    Row("mov ax, bx", copy(0, r(3), 16), overwrites: [0]),
    Row("mov al, bl", copy(0, r(3), 8), overwrites: [0]),
    Row("mov ah, bl", overwrites: [0]),
    Row("mov eax, 5", copy(0, .immediate(5), 32), overwrites: [0]),
    Row("mov rax, -1", copy(0, .immediate(.max)), overwrites: [0]),
    Row(
      "movabs rax, 0x123456789abcdef", copy(0, .immediate(0x0123_4567_89ab_cdef)),
      overwrites: [0]),
    Row("mov rax, [rbx+rcx*4-8]", copy(0, .memory(at(3, 1, 4, -8))), overwrites: [0]),
    Row("mov rax, [rip+0x10]", copy(0, .memory(at(nil, plus: 0x1017))), overwrites: [0]),
    Row("mov eax, [rbx]", copy(0, .memory(at(3, size: 4)), 32), overwrites: [0]),
    Row(
      "mov rax, gs:[0x10]",
      copy(0, .memory(Memory(displacement: 0x10, size: 8, isSegmented: true))), overwrites: [0]),
    Row(
      "movzx eax, byte ptr [rbx]",
      copy(0, .memory(at(3, size: 1)), 8, result: 32), overwrites: [0]),
    Row("movzx eax, ah", overwrites: [0]),
    Row("movsx rax, bx", copy(0, r(3), 16, signed: true, result: 64), overwrites: [0]),
    Row("movsxd rax, ebx", copy(0, r(3), 32, signed: true, result: 64), overwrites: [0]),
    Row("cdqe", copy(0, r(0), 32, signed: true, result: 64), overwrites: [0]),
    Row("mov [rbx], rax", .store(at(3), r(0)), memory: true),
    Row("mov dword ptr [rbx], 7", .store(at(3, size: 4), .immediate(7)), memory: true),
    Row(
      "lea rax, [rbx+rcx*8+16]", .address(to: Register(0), at(3, 1, 8, 16), bits: 64),
      overwrites: [0]),
    Row(
      "cmove rax, rbx", .conditionalCopy(to: Register(0), from: r(3), bits: 64, .equal),
      overwrites: [0]),
    Row(
      "cmova eax, ebx", .conditionalCopy(to: Register(0), from: r(3), bits: 32, .above),
      overwrites: [0]),
    Row("xchg rax, rbx", overwrites: [0, 3]),
    Row("xchg [rcx], rbx", .overwrite(at(1)), overwrites: [3], memory: true),
    Row("sete al", overwrites: [0]),
    Row("bswap r9", overwrites: [9]),
  ]

  static let sums: [Row] = [
    Row("add rax, 8", arithmetic(.add, 0, .immediate(8)), overwrites: [0]),
    Row("sub eax, ebx", arithmetic(.subtract, 0, r(3), 32), overwrites: [0]),
    Row("and rsp, -16", arithmetic(.and, 4, .immediate(~15)), overwrites: [4]),
    Row("sub rsp, 0x20", arithmetic(.subtract, 4, .immediate(0x20)), overwrites: [4]),
    Row("or rax, rbx", arithmetic(.or, 0, r(3)), overwrites: [0]),
    Row("xor eax, ebx", arithmetic(.exclusiveOr, 0, r(3), 32), overwrites: [0]),
    // Both give zero.
    Row("xor eax, eax", arithmetic(.and, 0, .immediate(0), 32), overwrites: [0]),
    Row("sub rax, rax", arithmetic(.and, 0, .immediate(0)), overwrites: [0]),
    Row("sbb eax, eax", .changesFlags, overwrites: [0]),
    Row("add al, 1", .changesFlags, overwrites: [0]),
    Row("add rax, [rbx-4]", arithmetic(.add, 0, .memory(at(3, plus: -4))), overwrites: [0]),
    Row("add [rbx], rax", .overwrite(at(3)), memory: true),
    Row("lock xadd [rbx], rax", .overwrite(at(3)), overwrites: [0], memory: true),
    Row("lock cmpxchg [rbx], rcx", .overwrite(at(3)), overwrites: [0], memory: true),
    Row("shl rax, 3", arithmetic(.shiftLeft, 0, .immediate(3)), overwrites: [0]),
    Row("shr eax, 31", arithmetic(.shiftRight, 0, .immediate(31), 32), overwrites: [0]),
    Row("shl rax, cl", .changesFlags, overwrites: [0]),
    Row("sar rax, 3", .changesFlags, overwrites: [0]),
    Row("inc rax", arithmetic(.add, 0, .immediate(1)), overwrites: [0]),
    Row("dec eax", arithmetic(.add, 0, .immediate(.max), 32), overwrites: [0]),
    Row(
      "imul rax, rbx, 24",
      .arithmetic(.multiply, to: Register(0), r(3), .immediate(24), bits: 64, setsFlags: true),
      overwrites: [0]),
    Row(
      "imul rax, rbx",
      .arithmetic(.multiply, to: Register(0), r(3), r(0), bits: 64, setsFlags: true),
      overwrites: [0]),
    Row("mul rbx", .changesFlags, overwrites: [0, 2]),
    Row("div rbx", .changesFlags, overwrites: [0, 2]),
    Row("cqo", overwrites: [2]),
    Row("neg rax", .changesFlags, overwrites: [0]),
    Row("not rax", overwrites: [0]),
    Row("cmp rax, 5", .compare(r(0), .immediate(5), bits: 64)),
    Row("cmp byte ptr [rbx], 5", .compare(.memory(at(3, size: 1)), .immediate(5), bits: 8)),
    Row("test eax, eax", .test(r(0), r(0), bits: 32)),
    Row("bt rax, 3", .changesFlags),
  ]

  static let stack: [Row] = [
    Row("push rbx", .push(r(3)), memory: true),
    Row("push 5", .push(.immediate(5)), memory: true),
    Row("push [rbx]", .push(.memory(at(3))), memory: true),
    Row("pop rbx", .pop(Register(3)), overwrites: [3]),
    Row("leave", .leave, overwrites: [5]),
    Row("pushfq", .pushFlags, memory: true),
    Row("popfq", .popFlags),
    Row("cli", .disableInterrupts), Row("sti", .enableInterrupts),
    // In 16 bits the stack pointer is no longer known.
    Row("push bx", .overwrite(at(4, plus: 0, size: 2)), overwrites: [4], memory: true),
    Row("enter 16, 0", .overwrite(at(4)), overwrites: [4, 5], memory: true),
  ]

  static let others: [Row] = [
    Row("cpuid", overwrites: [0, 1, 2, 3]),
    Row("rdtsc", overwrites: [0, 2]),
    Row("rdmsr", overwrites: [0, 2]),
    Row("syscall", .changesFlags, overwrites: [1, 11]),
    Row("in al, dx", overwrites: [0]),
    Row("out dx, al"),
    Row("mov rax, cr2", overwrites: [0]),
    Row("rep movsb", .overwrite(at(7, size: 0)), overwrites: [1, 6, 7], memory: true),
    Row("rep stosq", .overwrite(at(7, size: 0)), overwrites: [1, 7], memory: true),
    Row("stosb", .overwrite(at(7, size: 1)), overwrites: [7], memory: true),
    Row("movups [rsp+8], xmm0", .overwrite(at(4, plus: 8, size: 16)), memory: true),
    Row("cvttsd2si rax, xmm0", overwrites: [0]),
    Row("sgdt [rax]", .overwrite(at(0, size: 10)), memory: true),
    Row("invlpg [rax]"), Row("clflush [rax]"), Row("lgdt [rax]"), Row("swapgs"),
    Row("rdfsbase rax", overwrites: [0]),
    Row("wrmsr"),
  ]

  // MARK: Short forms

  static func r(_ number: UInt8) -> Operand { .register(Register(number)) }

  static func at(
    _ base: UInt8?, _ index: UInt8? = nil, _ scale: UInt8 = 1, plus displacement: Int64 = 0,
    size: UInt8 = 8
  ) -> Memory {
    Memory(
      base: base.map(Register.init), index: index.map(Register.init), scale: scale,
      displacement: displacement, size: size)
  }

  static func at(_ base: UInt8?, _ index: UInt8, _ scale: UInt8, _ displacement: Int64) -> Memory {
    at(base, index, scale, plus: displacement)
  }

  static func copy(
    _ target: UInt8, _ source: Operand, _ bits: UInt8 = 64, signed: Bool = false,
    result: UInt8? = nil
  ) -> Instruction.Operation {
    .copy(
      to: Register(target), from: source, bits: bits, signExtends: signed,
      resultBits: result ?? bits)
  }

  static func arithmetic(
    _ operation: Instruction.Arithmetic, _ target: UInt8, _ right: Operand, _ bits: UInt8 = 64
  ) -> Instruction.Operation {
    .arithmetic(
      operation, to: Register(target), r(target), right, bits: bits, setsFlags: true)
  }
}
