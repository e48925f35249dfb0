import ISRCheck

/// A made-up report with a bit of everything.
enum SampleReport {
  static let report: Report = {
    var report = Report(
      image: "build/kernel.elf", buildID: "00112233445566778899aabbccddeeff00112233",
      digest: String(repeating: "0123456789abcdef", count: 4), architecture: "x86_64",
      mode: .init(prove: false, strict: false), roots: roots,
      statistics: .init(
        functionCount: 183, instructionCount: 5121, directCallCount: 1234,
        indirectCounts: ["registration": 2, "constant": 11, "unresolved": 1, "tail": 0]),
      assumptions: ["trusted: panic (stops the machine)", "recursion of walk: at most 4 deep"],
      findings: [])
    report.findings = [
      extendedWrite(root: "apus_trap"), extendedWrite(root: "apus_nmi"), denied, unresolved,
      undecodable, read,
    ]
    return report
  }()

  static let roots = [
    Report.Root(
      name: "apus_trap", level: 1, vector: nil, functionCount: 180, stack: 1512,
      nestedStack: 2024, stackSize: 16384),
    Report.Root(name: "apus_nmi", level: 2, vector: 2, functionCount: 12, stack: nil),
  ]

  /// Two of the same kind in one function, with source lines and a chain.
  static func extendedWrite(root: String) -> Finding {
    Finding(
      rule: .extendedWrite, severity: .error, message: "writes SSE (movsd xmm0, [rdi])",
      root: root,
      place: Place(
        address: 0x10_1234, symbol: "$s5Timer4tickyyF", function: "Timer.tick()", offset: 0x1f,
        source: SourceLine(file: "Sources/Kernel/Timer.swift", line: 41, column: 9)),
      chain: [
        Call(
          place: Place(
            address: 0x10_0030, symbol: root, function: root, offset: 0x30,
            source: SourceLine(file: "Sources/C Machine/traps.S", line: 57)),
          callee: "dispatch(_:)", step: .direct),
        Call(
          place: Place(
            address: 0x10_0852, symbol: "dispatch", function: "dispatch(_:)", offset: 0x52),
          callee: "Timer.tick()", step: .registration),
      ])
  }

  static let denied = Finding(
    rule: .deniedCall, severity: .error, message: "reaches malloc, which allocates",
    root: "apus_trap",
    place: Place(
      address: 0xffff_ffff_8010_0000, symbol: "malloc", function: "malloc", offset: 0),
    chain: [
      Call(
        place: Place(
          address: 0xffff_ffff_8000_0040, symbol: "apus_trap", function: "apus_trap",
          offset: 0x40), callee: "malloc", step: .tail)
    ])

  static let unresolved = Finding(
    rule: .unresolvedIndirect, severity: .warning, message: "calls through rax, target not known",
    root: "apus_trap",
    place: Place(
      address: 0x10_0044, symbol: "apus_trap", function: "apus_trap", offset: 0x44,
      source: SourceLine(file: "/usr/src/other/entry.c", line: 7, column: 3)),
    notes: ["the value comes from handlers+0x8"])

  /// Without a root, a symbol or a source line, and with a name that would harm a terminal.
  static let undecodable = Finding(
    rule: .undecodable, severity: .warning, message: "holds 0f ff \u{1b}[2J\n\"quoted\"",
    root: nil,
    place: Place(address: 0x10_2000, symbol: nil, function: "0x102000", offset: 0))

  static let read = Finding(
    rule: .extendedRead, severity: .note, message: "reads SSE (movaps [rsp+0x10], xmm0)",
    root: "apus_trap",
    place: Place(address: 0x10_3010, symbol: "printf", function: "printf", offset: 0x10))

  static let graph = CallGraph(
    nodes: [
      GraphNode(id: 2, name: "Timer.tick()", isRoot: false),
      GraphNode(id: 0, name: "apus_trap", isRoot: true),
      GraphNode(id: 1, name: "dispatch(_:)", isRoot: false),
      GraphNode(id: 3, name: "a \"b\\\u{1b}", isRoot: false),
    ],
    edges: [
      GraphEdge(from: 1, to: 2, step: .registration),
      GraphEdge(from: 0, to: 1, step: .direct),
      GraphEdge(from: 1, to: 2, step: .direct),
      GraphEdge(from: 2, to: 3, step: .tail),
    ])
}
