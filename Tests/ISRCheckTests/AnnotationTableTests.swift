import ISRCheck
import TestSupport
import Testing

@Suite struct AnnotationTableTests {
  /// A record's bytes.
  private static func record(
    _ kind: UInt32, argument: UInt32 = 0, function: UInt64 = 0x1000, extra: UInt64 = 0
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(little: kind)
    bytes.append(little: argument)
    bytes.append(little: function)
    bytes.append(little: extra)
    return bytes
  }

  private static let table: UInt64 = 0x8000
  private static let texts: [UInt64: String] = [0x500: "own stack", 0x600: "", 0x700: "console"]

  private static func read(
    _ bytes: [UInt8], symbols: [UInt64: (name: String, readableName: String)] = [:]
  ) throws(AnnotationTableError) -> AnnotationTable {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(AnnotationTableError) in
        try AnnotationTable(bytes: bytes, at: table, string: { texts[$0] }, symbol: { symbols[$0] })
      }
    }
    return try result.get()
  }

  @Test(
    "each kind",
    arguments: [
      (record(1, argument: 2, extra: 32), .root(level: 2, vector: 32)),
      (record(1, extra: .max), .root(level: 0, vector: nil)),
      (record(1), .root(level: 0, vector: 0)),
      (record(2, argument: 16, extra: 128), .vectors(count: 16, stride: 128)),
      (record(3, extra: 0x500), .trusted(reason: "own stack")),
      (record(4, argument: 1, extra: 0x500), .denied(.allocates, reason: "own stack")),
      (record(4, argument: 2), .denied(.blocks, reason: nil)),
      (record(4, extra: 0x600), .denied(.other, reason: nil)),
      (record(5), .fatal),
      (record(6, argument: 1), .registersHandler(argument: 1, set: 0)),
      (record(6, extra: 0x2000), .registersHandler(argument: 0, set: 0x2000)),
      (record(7, extra: 3), .callsMembers(set: 3)),
      (record(7, argument: 4), .callsMembers(set: 4)),
      (record(8, extra: 3), .member(set: 3)),
      (record(8, argument: 4), .member(set: 4)),
      (
        record(9, argument: 0x101),
        .acquires(.init(argument: 0, className: nil, disablesInterrupts: true))
      ),
      (
        record(10, argument: 0, extra: 0x700),
        .releases(.init(argument: nil, className: "console", disablesInterrupts: false))
      ),
      (record(11, argument: 4096, extra: 1), .stack(size: 4096, stack: 1)),
      (record(12, argument: 64), .frame(size: 64)),
      (record(13, argument: 3), .savesExtendedState([.x87, .sse])),
      (record(14, argument: 0x202), .restoresExtendedState(.sse)),
      (record(15, argument: 3), .recursion(depth: 3)),
      (record(16), .interruptSafe),
      (record(17, argument: 0), .interruptState(.disables)),
      (record(17, argument: 2), .interruptState(.restores)),
      (record(18, argument: 3), .indirectThunk(register: 3)),
      (record(19), .returnThunk),
    ] as [([UInt8], Annotation.Kind)])
  func kind(bytes: [UInt8], kind: Annotation.Kind) throws {
    #expect(
      try Self.read(bytes).annotations == [
        Annotation(function: 0x1000, kind: kind, origin: .table(index: 0))
      ])
  }

  @Test(
    "each error",
    arguments: [
      (record(1) + [0], nil, .size(25)),
      (record(0), 0, .unknownKind(0)),
      (record(5) + record(20), 1, .unknownKind(20)),
      (record(1, function: 0), 0, .noFunction),
      (record(2, extra: 8), 0, .zero("the number of vectors")),
      (record(3), 0, .missingReason),
      (record(3, extra: 0x600), 0, .missingReason),
      (record(3, extra: 0x501), 0, .unreadableText(0x501)),
      (record(4, argument: 3), 0, .argument(3)),
      (record(4, extra: 0x501), 0, .unreadableText(0x501)),
      (record(7), 0, .zero("the set's number")),
      (record(8), 0, .zero("the set's number")),
      (record(9, argument: 0x200), 0, .argument(0x200)),
      (record(10, extra: 0x501), 0, .unreadableText(0x501)),
      (record(11), 0, .zero("the stack's size")),
      (record(13), 0, .argument(0)),
      (record(14, argument: 0x200), 0, .argument(0x200)),
      (record(15), 0, .zero("the depth of the recursion")),
      (record(17, argument: 3), 0, .argument(3)),
      (record(18, argument: 32), 0, .argument(32)),
    ] as [([UInt8], Int?, AnnotationTableError.Problem)])
  func error(bytes: [UInt8], record: Int?, problem: AnnotationTableError.Problem) {
    #expect(throws: AnnotationTableError(record: record, problem: problem)) {
      try Self.read(bytes)
    }
  }

  @Test("padding and repetitions are left out, and records keep their numbers") func padding()
    throws
  {
    let padding = [UInt8](repeating: 0, count: 24)
    let table = try Self.read(
      padding + Self.record(5) + padding + Self.record(5) + Self.record(16) + padding)
    #expect(
      table.annotations == [
        Annotation(function: 0x1000, kind: .fatal, origin: .table(index: 1)),
        Annotation(function: 0x1000, kind: .interruptSafe, origin: .table(index: 4)),
      ])
    #expect(try Self.read([]).annotations.isEmpty)
  }

  @Test("a text can be the raw identifier of the record") func rawIdentifier() throws {
    let symbols = [
      Self.table: (name: "$e1", readableName: "Demo.Trusted.`its own, and (small)` : (Int)"),
      Self.table + 24: (name: "$e2", readableName: "Demo.plain : (Int)"),
    ]
    #expect(
      try Self.read(Self.record(3) + Self.record(4), symbols: symbols).annotations.map(\.kind) == [
        .trusted(reason: "its own, and (small)"), .denied(.other, reason: nil),
      ])
    #expect(throws: AnnotationTableError(record: 1, problem: .missingReason)) {
      try Self.read(Self.record(5) + Self.record(3), symbols: symbols)
    }
  }

  @Test(
    "functions that only the compiler names are refused",
    arguments: [
      "$e4Demo4notes6UInt32V_ADySictvpfiySicfu_", "$s4Demo4notes6UInt32V_ADySictvpfiySicfu0_",
      "$e4Demo1fyyFTO", "$e4Demo1fyyFTo",
    ])
  func madeFunctions(name: String) {
    #expect(throws: AnnotationTableError(record: 0, problem: .madeFunction(name))) {
      try Self.read(Self.record(4), symbols: [0x1000: (name: name, readableName: name)])
    }
  }

  @Test("messages say what to do") func messages() {
    func text(_ record: Int?, _ problem: AnnotationTableError.Problem) -> String {
      "\(AnnotationTableError(record: record, problem: problem))"
    }
    #expect(
      [
        text(nil, .size(25)), text(0, .unknownKind(20)), text(1, .noFunction),
        text(2, .madeFunction("$eTO")), text(3, .missingReason), text(4, .unreadableText(0x1f)),
        text(5, .argument(0x200)), text(6, .zero("the stack's size")),
      ].joined(separator: "\n") == """
        .isr.notes has 25 bytes, no multiple of 24: each record must have 24 bytes and alignment 8
        record 0 of .isr.notes has the unknown kind 20: use a newer isrcheck, or a kind from 1 to 19
        record 1 of .isr.notes has function address 0: define the function, and annotate no weak \
        one that may be missing
        record 2 of .isr.notes names $eTO, which the compiler put before the function: annotate a \
        global Swift function as such, and one of C or marked @c as @convention(c)
        record 3 of .isr.notes trusts a function without a reason: give the address of a text, or \
        in Swift name the record by it
        record 4 of .isr.notes has its text at 0x1f, where the image has none: give the address of \
        a C string in read-only data
        record 5 of .isr.notes has the argument 0x200, which its kind does not know: use the \
        constants of isrcheck.h
        record 6 of .isr.notes gives 0 for the stack's size: give at least 1
        """)
  }

  @Test("any bytes give annotations or an error") func random() {
    var generator = SplitMix64(seed: 3)
    var successes = 0
    for _ in 0..<20_000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0...3, using: &generator) {
        bytes += Self.record(
          UInt32.random(in: 0...20, using: &generator),
          argument: UInt32.random(in: 0...(.max), using: &generator)
            >> UInt32.random(in: 0...31, using: &generator),
          function: UInt64.random(in: 0...(.max), using: &generator),
          extra: Bool.random(using: &generator)
            ? 0x500 : UInt64.random(in: 0...(.max), using: &generator))
      }
      if Int.random(in: 0...9, using: &generator) == 0 { bytes = bytes.dropLast() }
      if (try? Self.read(bytes)) != nil { successes += 1 }
    }
    #expect(successes > 1000 && successes < 19_000)
  }
}
