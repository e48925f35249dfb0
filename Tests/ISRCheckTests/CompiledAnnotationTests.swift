import ELF
import Testing

@testable import ISRCheck

/// What compilers and linkers make of the header `isrcheck.h`.
@Suite struct CompiledAnnotationTests {
  /// Compilers for C, C++ and assembly, and a linker.
  struct Tools: CustomTestStringConvertible, Sendable {
    var c: [String]
    var cxx: [String]
    var linker: [String]
    var testDescription: String {
      "\(c.joined(separator: " ")), \(linker.joined(separator: " "))"
    }
    var isMissing: Bool {
      [c[0], cxx[0], linker[0]].contains { AnnotatedProgram.tool($0) == nil }
    }
  }

  /// A compiler or linker that this machine lacks is left out.
  private static let tools = allTools.filter { !$0.isMissing }

  private static let allTools = [
    Tools(c: ["gcc"], cxx: ["g++"], linker: ["ld.lld"]),
    Tools(c: ["gcc", "-fno-pic"], cxx: ["g++", "-fno-pic"], linker: ["ld"]),
    Tools(c: ["gcc", "-mcmodel=kernel", "-fno-pic"], cxx: ["g++"], linker: ["ld.lld"]),
    Tools(c: ["clang"], cxx: ["clang++"], linker: ["ld.lld"]),
    Tools(c: ["clang"], cxx: ["clang++"], linker: ["ld"]),
    Tools(
      c: ["clang", "--target=aarch64-none-elf"], cxx: ["clang++", "--target=aarch64-none-elf"],
      linker: ["ld.lld"]),
  ]

  private static let flags = [
    "-Wall", "-Wextra", "-pedantic", "-Werror", "-ffreestanding", "-O2", "-ffunction-sections",
    "-fdata-sections", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
    AnnotatedProgram.include,
  ]

  /// Every macro, in a form that is right in each language.
  private static let declarations = """
    ISR_ROOT(isr_a, 2, 32); ISR_ROOT(isr_b, 0, ISR_NO_VECTOR);
    ISR_VECTORS(table, 16, 128);
    ISR_TRUSTED(isr_a, "says \\"no\\"; twice");
    ISR_DENIED(isr_b, ISR_ALLOCATES, "takes a lock"); ISR_DENIED(isr_c, ISR_OTHER, "");
    ISR_FATAL(isr_c);
    ISR_REGISTERS_HANDLER(isr_d, 1, ISR_ROOTS); ISR_REGISTERS_HANDLER(isr_d, 2, table);
    ISR_CALLS_MEMBERS(isr_d, table); ISR_MEMBER(isr_c, table); ISR_MEMBER(isr_c, 7);
    ISR_ACQUIRES(isr_d, ISR_LOCK_ARGUMENT(1) | ISR_INTERRUPTS_OFF, "");
    ISR_RELEASES(isr_d, 0, "console");
    ISR_STACK(isr_a, 4096, 1); ISR_FRAME(isr_c, 64);
    ISR_SAVES_EXTENDED(isr_b, ISR_X87 | ISR_SSE | ISR_AVX | ISR_AVX512 | ISR_AMX);
    ISR_RESTORES_EXTENDED(isr_b, ISR_SIMD | ISR_SVE | ISR_SME);
    ISR_RECURSION(isr_c, 3); ISR_SAFE(isr_c); ISR_INTERRUPT_STATE(isr_c, ISR_RESTORES);
    ISR_INDIRECT_THUNK(isr_b, 3); ISR_RETURN_THUNK(isr_a);

    """

  /// What the functions are in C and C++: of different types, and one in each section that there is.
  private static let functions = """
    #include "isrcheck.h"
    #ifdef __cplusplus
    #define C_NAME extern "C"
    #else
    #define C_NAME extern
    #endif
    C_NAME void isr_a(void);
    C_NAME int isr_b(long, const char *);
    C_NAME void *isr_d(void (*)(int), ...);
    C_NAME ISR_TEXT void isr_c(void (*)(void));
    C_NAME void *const table[16];

    """

  private static let definitions =
    functions + """
      void isr_a(void) {}
      int isr_b(long a, const char *b) { return (int)a + (b == 0); }
      void *isr_d(void (*f)(int), ...) { f(1); return 0; }
      void isr_c(void (*f)(void)) { f(); }
      void *const table[16] = {0};
      C_NAME void start(void);
      void start(void) {}

      """

  private func expectAll(_ table: NamedTable) throws {
    let set = try table.address("table")
    #expect(
      try table.kinds(of: "isr_a") == [
        "returnThunk", "root(level: 2, vector: Optional(32))", "stack(size: 4096, stack: 1)",
        "trusted(reason: \"says \\\"no\\\"; twice\")",
      ])
    let (x86, arm) = (ExtendedState.allX86.rawValue, ExtendedState.allARM.rawValue)
    let lock = "ISRCheck.Annotation.Lock(argument: "
    #expect(
      try table.kinds(of: "isr_b") == [
        "denied(ISRCheck.Annotation.Denial.allocates, reason: Optional(\"takes a lock\"))",
        "indirectThunk(register: 3)",
        "restoresExtendedState(ISRCheck.ExtendedState(rawValue: \(arm)))",
        "root(level: 0, vector: nil)",
        "savesExtendedState(ISRCheck.ExtendedState(rawValue: \(x86)))",
      ])
    #expect(
      try table.kinds(of: "isr_c")
        == [
          "denied(ISRCheck.Annotation.Denial.other, reason: nil)", "fatal", "frame(size: 64)",
          "interruptSafe", "interruptState(ISRCheck.Annotation.InterruptChange.restores)",
          "member(set: \(set))", "member(set: 7)", "recursion(depth: 3)",
        ].sorted())
    #expect(
      try table.kinds(of: "isr_d") == [
        "acquires(\(lock)Optional(1), className: nil, disablesInterrupts: true))",
        "callsMembers(set: \(set), orNobody: false)", "registersHandler(argument: 1, set: 0)",
        "registersHandler(argument: 2, set: \(set))",
        "releases(\(lock)nil, className: Optional(\"console\"), disablesInterrupts: false))",
      ])
    #expect(try table.kinds(of: "table") == ["vectors(count: 16, stride: 128)"])
    #expect(table.annotations.count == 23)
  }

  @Test("C", arguments: tools) func c(tools: Tools) throws {
    for standard in ["-std=c11", "-std=c17"] {
      try AnnotatedProgram.inDirectory { program in
        try program.compile(
          tools.c + Self.flags + [standard], "one.c", Self.definitions + Self.declarations)
        // The same declarations again, as from a header.
        try program.compile(
          tools.c + Self.flags + [standard], "two.c", Self.functions + Self.declarations)
        try expectAll(NamedTable(try program.link(tools.linker)))
      }
    }
  }

  @Test("C++", arguments: tools) func cxx(tools: Tools) throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(
        tools.cxx + Self.flags + ["-std=c++17"], "one.cc", Self.definitions + Self.declarations)
      try program.compile(
        tools.c + Self.flags + ["-std=c11"], "two.c", Self.functions + Self.declarations)
      let image = try program.link(tools.linker)
      #expect(image.section(named: ".init_array") == nil)
      try expectAll(NamedTable(image))
    }
  }

  @Test("assembly", arguments: tools) func assembly(tools: Tools) throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(tools.c + Self.flags, "one.c", Self.definitions)
      try program.compile(
        tools.c + [AnnotatedProgram.include], "two.S",
        "#include \"isrcheck.h\"\n" + Self.declarations
          + ".section .note.GNU-stack, \"\", %progbits\n")
      try expectAll(NamedTable(try program.link(tools.linker)))
    }
  }

  @Test("static functions, and none is kept but by its record", arguments: tools)
  func garbageCollection(tools: Tools) throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(
        tools.c + Self.flags, "one.c",
        """
        #include "isrcheck.h"
        static void quiet(void) {}
        ISR_SAFE(quiet);
        void noted(void), unused(void), start(void);
        void noted(void) {}
        void unused(void) {}
        ISR_FATAL(noted);
        void start(void) {}
        """)
      let table = try NamedTable(try program.link(tools.linker))
      #expect(try table.kinds(of: "quiet") == ["interruptSafe"])
      #expect(try table.kinds(of: "noted") == ["fatal"])
      #expect(!table.contains("unused"))
    }
  }

  @Test("a position-independent image", .enabled(if: AnnotatedProgram.tool("clang") != nil))
  func positionIndependent() throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(
        ["clang", "-fpie"] + Self.flags, "one.c", Self.definitions + Self.declarations)
      try expectAll(NamedTable(try program.link(["ld.lld", "-pie", "--apply-dynamic-relocs"])))
      // Here the addresses are in relocations only, and the records hold zeroes.
      let image = try CodeImage(try program.link(["ld.lld", "-pie"]))
      let declarations = try Declarations(image, CheckOptions())
      #expect(declarations.annotations.count == 23)
      #expect(
        declarations.annotations.contains {
          $0.kind == .trusted(reason: "says \"no\"; twice")
            && image.functions.function(startingAt: $0.function)?.symbol == "isr_a"
        })
    }
  }

  @Test("other object formats", .enabled(if: AnnotatedProgram.tool("clang") != nil))
  func otherFormats() throws {
    try AnnotatedProgram.inDirectory { program in
      try program.compile(
        ["clang", "--target=arm64-apple-macos"] + Self.flags, "one.c",
        Self.definitions + Self.declarations)
    }
  }
}
