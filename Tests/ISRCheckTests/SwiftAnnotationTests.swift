import ELF
import ISRCheck
import Testing

/// What the Swift compiler accepts as an annotation: the form that the documentation shows.
@Suite(.enabled(if: AnnotatedProgram.toolchain != nil, "there is no swiftc on the PATH"))
struct SwiftAnnotationTests {
  private static let flags = [
    "-O", "-wmo", "-parse-as-library", "-enable-experimental-feature", "Embedded", "-Xcc",
    "-ffreestanding", "-Xfrontend", "-disable-stack-protector", "-Xfrontend", "-function-sections",
  ]

  private static let source = """
    typealias ISRFunction<Function> = (kind: UInt32, argument: UInt32, function: Function)
    typealias ISRSymbol<Function> = (
      kind: UInt32, argument: UInt32, function: Function, extra: UInt64
    )

    @c(start) public func start() {}
    @c(timer) func timer(_ frame: UnsafeMutableRawPointer) {}
    @inline(never) @Sendable func allocate(_ size: Int) -> Int { size }
    enum Failure: Error { case full }
    @inline(never) @Sendable func wait(_ queue: inout Int) throws(Failure) { queue = 0 }
    struct Lock: ~Copyable { var word = 0 }
    @inline(never) @Sendable func take(_ lock: borrowing Lock) {}
    @Sendable func restore() {}

    enum Roots {
      // 1: root; argument: level; extra: vector.
      @section(".isr.notes") @used
      static let timerNote: ISRSymbol<@convention(c) (UnsafeMutableRawPointer) -> Void> = (
        kind: 1, argument: 2, function: timer, extra: 32
      )
    }
    enum Denied {
      // 4: denied; argument: 1 allocates, 2 blocks.
      @section(".isr.notes") @used
      static let `takes the heap's lock (and more)`: ISRFunction<@Sendable (Int) -> Int> = (
        kind: 4, argument: 1, function: allocate
      )
    }
    // 3: trusted.
    @section(".isr.notes") @used
    private let `gives back: all registers`: ISRFunction<@Sendable () -> Void> = (3, 0, restore)
    // 9: acquires a lock; 256: interrupts off; 1: the first argument is the lock.
    @section(".isr.notes") @used
    let takeNote: ISRFunction<@Sendable (borrowing Lock) -> Void> = (9, 257, take)
    // 4: denied; 2: blocks.
    @section(".isr.notes") @used
    let waitNote: ISRFunction<@Sendable (inout Int) throws(Failure) -> Void> = (4, 2, wait)
    // 7: calls members of set 5.
    @section(".isr.notes") @used
    let twoNotes: (ISRFunction<@Sendable () -> Void>, ISRFunction<@Sendable () -> Void>) = (
      (7, 5, restore), (16, 0, restore)
    )
    """

  @Test(
    "declarations of Swift",
    arguments: ["x86_64-unknown-none-elf", "aarch64-none-none-elf"], ["5", "6"])
  func swift(target: String, mode: String) throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(
        ["swiftc", "-target", target, "-module-name", "Demo", "-swift-version", mode]
          + Self.flags, "Demo.swift", Self.source)
      let table = try NamedTable(
        try program.link(["ld.lld", "--unresolved-symbols=ignore-all"]))
      #expect(try table.kinds(of: "timer") == ["root(level: 2, vector: Optional(32))"])
      #expect(
        try table.kinds(of: "$e4Demo8allocateyS2iYbF") == [
          "denied(ISRCheck.Annotation.Denial.allocates, "
            + "reason: Optional(\"takes the heap\\'s lock (and more)\"))"
        ])
      #expect(
        try table.kinds(of: "$e4Demo7restoreyyYbF") == [
          "callsMembers(set: 5, orNobody: false)", "interruptSafe",
          "trusted(reason: \"gives back: all registers\")",
        ])
      #expect(
        try table.kinds(of: "$e4Demo4takeyyAA4LockVYbF") == [
          "acquires(ISRCheck.Annotation.Lock(argument: Optional(0), className: nil, "
            + "disablesInterrupts: true))"
        ])
      #expect(table.annotations.count == 7)
    }
  }

  @Test(
    "forms that would annotate another function are found",
    arguments: [
      "struct S { static func f() {} }\nlet note: (UInt32, UInt32, () -> Void) = (4, 0, S.f)",
      "@c(f) func f() {}\nlet note: (UInt32, UInt32, () -> Void) = (4, 0, f)",
    ])
  func madeFunctions(source: String) throws {
    try AnnotatedProgram.inDirectory { program in
      let annotated = source.replacing("let note", with: "@section(\".isr.notes\") @used let note")
      try program.compile(
        ["swiftc", "-target", "x86_64-unknown-none-elf", "-module-name", "Demo"] + Self.flags,
        "Demo.swift", annotated + "\n@c(start) public func start() {}")
      let image = try program.link(["ld.lld", "--unresolved-symbols=ignore-all"])
      let error = #expect(throws: AnnotationTableError.self) { try NamedTable(image) }
      guard case .madeFunction = error?.problem else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test(
    "what the compiler refuses; when it no longer does, the documentation can be simpler",
    arguments: [
      "let root: UInt32 = 1\nlet note: (UInt32, UInt32, () -> Void) = (root, 0, f)",
      "let note: (UInt32, UInt32, () -> Void) = (1 | 0, 0, f)",
      "let note: (UInt32, UInt32, () -> Void, StaticString) = (3, 0, f, \"text\")",
      "struct N { var k: UInt32; var f: () -> Void }\nlet note = N(k: 1, f: f)",
    ])
  func refusals(source: String) throws {
    try AnnotatedProgram.inDirectory { program in
      let annotated = source.replacing("let note", with: "@section(\".isr.notes\") @used let note")
      #expect(throws: AnnotatedProgram.Failure.self) {
        try program.compile(
          ["swiftc", "-target", "x86_64-unknown-none-elf"] + Self.flags, "Demo.swift",
          annotated + "\nfunc f() {}")
      }
    }
  }
}
