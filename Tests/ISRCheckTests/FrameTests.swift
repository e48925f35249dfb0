import Testing

@testable import ISRCheck

/// What is known of a word of the stack ends when something may have written to it. Each piece of
/// code keeps the address of `leaf` in its frame, may write over it, and calls what is there.
@Suite struct FrameTests {
  /// Code between the store of the address and the call.
  struct Write: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var x86: String
    var arm: String
  }

  static let writes = [
    Write(
      testDescription: "into an array with an unknown index",
      x86: "mov %rsi, (%rsp,%rdi,8)",
      arm: "str x1, [sp, x0, lsl #3]"),
    Write(
      testDescription: "through an address that was computed from an unknown index",
      x86: "lea 24(%rsp), %rax\n add %rdi, %rax\n mov %rsi, (%rax)",
      arm: "add x8, sp, #24\n add x8, x8, x0\n str x1, [x8]"),
    Write(
      testDescription: "at an unknown distance below",
      x86: "lea 24(%rsp), %rax\n sub %rdi, %rax\n mov %rsi, (%rax)",
      arm: "add x8, sp, #24\n sub x8, x8, x0\n str x1, [x8]"),
    Write(
      testDescription: "through one of two addresses",
      x86: "lea 8(%rsp), %rax\n test %rdi, %rdi\n jz 1f\n lea 16(%rsp), %rax\n1: mov %rsi, (%rax)",
      arm: "add x8, sp, #8\n cbz x0, 1f\n add x8, sp, #16\n1: str x1, [x8]"),
    Write(
      testDescription: "through a chosen address",
      x86: "lea 8(%rsp), %rax\n test %rdi, %rdi\n cmovz %rdx, %rax\n mov %rsi, (%rax)",
      arm: "add x8, sp, #8\n cmp x0, #0\n csel x8, x2, x8, eq\n str x1, [x8]"),
    Write(
      testDescription: "by another function that knows the end of the array",
      x86: "lea 24(%rsp), %rdi\n call fill",
      arm: "add x0, sp, #24\n bl fill"),
    Write(
      testDescription: "by another function that finds the address in memory",
      x86: "lea 8(%rsp), %rax\n mov %rax, (%rdi)\n call fill",
      arm: "add x8, sp, #8\n str x8, [x0]\n bl fill"),
    Write(
      testDescription: "through an address that was kept on one path only",
      x86: """
        test %rdi, %rdi
         jz 1f
         lea 8(%rsp), %rax
         mov %rax, 16(%rsp)
        1: mov 16(%rsp), %rax
         mov %rsi, (%rax)
        """,
      arm: """
        cbz x0, 1f
         add x8, sp, #8
         str x8, [sp, #16]
        1: ldr x8, [sp, #16]
         str x1, [x8]
        """),
    Write(
      testDescription: "through an address that lay where an array may have changed it",
      x86: """
        lea 8(%rsp), %rax
         mov %rax, 16(%rsp)
         mov %rsi, (%rsp,%rdi,8)
         lea leaf(%rip), %rax
         mov %rax, 8(%rsp)
         mov 16(%rsp), %rax
         mov %rsi, (%rax)
        """,
      arm: """
        add x8, sp, #8
         str x8, [sp, #16]
         str x1, [sp, x0, lsl #3]
         adr x8, leaf
         str x8, [sp, #8]
         ldr x8, [sp, #16]
         str x1, [x8]
        """),
  ]

  /// Code that leaves the word alone.
  static let others = [
    Write(
      testDescription: "beside it",
      x86: "mov %rsi, 16(%rsp)\n movb $1, 7(%rsp)",
      arm: "str x1, [sp, #16]\n strb w1, [sp, #7]"),
    Write(
      testDescription: "through a pointer of the caller's",
      x86: "mov %rsi, (%rdi)\n mov %rsi, (%rdi,%rdx,8)",
      arm: "str x1, [x0]\n str x1, [x0, x2, lsl #3]"),
    Write(
      testDescription: "by a function that knows no address of the frame",
      x86: "mov $1, %edi\n call fill",
      arm: "mov x0, #1\n bl fill"),
  ]

  private func report(
    _ write: Write, for architecture: AssemblyProgram.Architecture
  ) throws -> Report {
    let text =
      switch architecture {
      case .x86:
        """
        root:
          sub $40, %rsp
          lea leaf(%rip), %rax
          mov %rax, 8(%rsp)
          xor %eax, %eax
          \(write.x86)
          call *8(%rsp)
          add $40, %rsp
          ret
        leaf:
          ret
        fill:
          ret
        """
      case .arm:
        """
        root:
          sub sp, sp, #48
          str x30, [sp, #40]
          adr x8, leaf
          str x8, [sp, #8]
          mov x8, #0
          \(write.arm)
          ldr x8, [sp, #8]
          blr x8
          ldr x30, [sp, #40]
          add sp, sp, #48
          ret
        leaf:
          ret
        fill:
          ret
        """
      }
    return try AssemblyProgram.report(text, for: architecture)
  }

  @Test(arguments: writes, AssemblyProgram.Architecture.allCases)
  func nothingIsKnownBehind(_ write: Write, _ architecture: AssemblyProgram.Architecture) throws {
    let report = try report(write, for: architecture)
    #expect(report.findings.map(\.rule) == [.unresolvedIndirect])
  }

  @Test(arguments: others, AssemblyProgram.Architecture.allCases)
  func theAddressIsStillKnownBehind(
    _ write: Write, _ architecture: AssemblyProgram.Architecture
  ) throws {
    let report = try report(write, for: architecture)
    #expect(report.findings.isEmpty)
    #expect(report.statistics.indirectCounts == ["constant": 1])
  }
}
