import Foundation
import Testing

@testable import ISRCheck

/// What is known along small pieces of AArch64 code.
@Suite struct ARM64AnalysisTests {
  private func report(_ assembly: String) throws -> Report {
    try AssemblyProgram.report(assembly, for: .arm)
  }

  @Test func aMovingStackPointer() throws {
    let report = try report(
      """
      root:
        str x30, [sp, #-16]!
        stp xzr, x19, [sp, #-32]!
        bl leaf
        ldp xzr, x19, [sp], #32
        strb w0, [sp, #-16]!
        ldrb w0, [sp], #16
        ldr x30, [sp], #16
        b leaf
      leaf:
        sub sp, sp, #0x40
        add sp, sp, #0x40
        ret
      """)
    #expect(report.findings.isEmpty)
    #expect(report.roots.first?.stack == 48 + 64)
    #expect(report.roots.first?.functionCount == 2)
  }

  @Test func aStackPointerOfUnknownSize() throws {
    let report = try report(
      """
      root:
        sub sp, sp, x0
        bl leaf
      leaf:
        ret
      """)
    #expect(report.findings.map(\.rule) == [.unboundedFrame])
    #expect(report.findings.first?.message.contains("sub sp, sp, x0") == true)
  }

  @Test func aValueOnTheStack() throws {
    let report = try report(
      """
      root:
        str x30, [sp, #-16]!
        adr x8, leaf
        str x8, [sp, #-16]!
        mov x8, #0
        ldr x9, [sp], #16
        blr x9
        ldr x30, [sp], #16
        ret
      leaf:
        ret
      """)
    #expect(report.findings.isEmpty)
    #expect(report.statistics.indirectCounts == ["constant": 1])
  }

  /// A store of a vector, before which the base moves, ends what was known of the place.
  @Test func anOverwrittenValueOnTheStack() throws {
    let report = try report(
      """
      root:
        str x30, [sp, #-16]!
        adr x8, leaf
        str x8, [sp, #-16]!
        add sp, sp, #16
        str q0, [sp, #-16]!
        ldr x9, [sp], #16
        blr x9
        ldr x30, [sp], #16
        ret
      leaf:
        ret
      """)
    #expect(report.findings.contains { $0.rule == .unresolvedIndirect })
  }

  /// `cbz` and `tbz` leave the flags alone: the branch behind one is about the comparison before.
  @Test(arguments: ["cbz x2, 1f", "cbnz x2, 1f", "tbz x2, #0, 1f", "tbnz x2, #0, 1f"])
  func flagsBehindAComparingBranch(_ branch: String) throws {
    let report = try report(
      """
      root:
        cmp x0, x1
        \(branch)
        b.eq first
        b.ne second
        brk #1
      1:
        b.eq third
        b.ne fourth
        brk #1
      first:
        ret
      second:
        ret
      third:
        ret
      fourth:
        ret
      """)
    #expect(report.findings.isEmpty)
    #expect(report.roots.first?.functionCount == 5)
  }

  @Test func aConstantInPieces() throws {
    let report = try report(
      """
      root:
        str x30, [sp, #-16]!
        movk w8, :abs_g0_nc:leaf
        movk w8, :abs_g1:leaf
        blr x8
        ldr x30, [sp], #16
        ret
      leaf:
        ret
      """)
    #expect(report.findings.isEmpty)
    #expect(report.roots.first?.functionCount == 2)
  }
}
