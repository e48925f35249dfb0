import ELF
import ISRCheck
import Testing

/// The core of the test kernel once more, in Embedded Swift: an interrupt's entry, keys that are told
/// apart by a `switch` over an enumeration, a counter; and a bug for each of several rules.
@Suite(.enabled(if: AnnotatedProgram.toolchain != nil, "there is no swiftc on the PATH"))
struct SwiftKernelTests {
  private static let source = """
    typealias ISRSymbol<Function> = (
      kind: UInt32, argument: UInt32, function: Function, extra: UInt64
    )

    struct Counters {
      var keys: (Int, Int, Int, Int) = (0, 0, 0, 0)
      var load = 0.0
    }

    enum Key: UInt8 { case up, down, left, right, enter, leave, space, delete, tab, insert }

    @inline(never) func move(_ counters: UnsafeMutablePointer<Counters>, by step: Int) {
      counters.pointee.keys.0 &+= step
    }
    @inline(never) func press(_ counters: UnsafeMutablePointer<Counters>, _ weight: Int) {
      counters.pointee.keys.1 ^= weight
    }
    @inline(never) func erase(_ counters: UnsafeMutablePointer<Counters>) {
      counters.pointee.keys.2 = 0
    }

    @inline(never) func handle(_ key: Key, _ counters: UnsafeMutablePointer<Counters>) {
      switch key {
      case .up: move(counters, by: 3)
      case .down: press(counters, 5)
      case .left: erase(counters)
      case .right: move(counters, by: 11)
      case .enter: press(counters, 17)
      case .leave: move(counters, by: -7)
      case .space: press(counters, 23)
      case .delete: erase(counters)
      case .tab: move(counters, by: 29)
      case .insert: press(counters, 31)
      }
    }

    @c(kmalloc) @inline(never) func allocate(_ size: Int) -> Int { size &* 16 }
    @section(".isr.notes") @used
    let deniedNote: ISRSymbol<@convention(c) (Int) -> Int> = (4, 1, allocate, 0)

    @inline(never) func leaves(_ depth: Int) -> Int {
      depth < 2 ? 1 : leaves(depth &- 1) &+ leaves(depth &- 2)
    }

    @c(interrupt) public func interrupt(_ code: UInt8, _ memory: UnsafeMutableRawPointer) {
      let counters = memory.assumingMemoryBound(to: Counters.self)
      if let key = Key(rawValue: code) { handle(key, counters) }
      // Keeps the call from being a jump, so that there is a frame.
      counters.pointee.keys.2 &+= 1
      #if BUG_FLOAT
      counters.pointee.load = counters.pointee.load * 0.5 + 1
      #endif
      #if BUG_ALLOC
      counters.pointee.keys.3 = allocate(64)
      #endif
      #if BUG_RECURSION
      counters.pointee.keys.3 = leaves(counters.pointee.keys.0)
      #endif
    }
    @section(".isr.notes") @used
    let rootNote: ISRSymbol<@convention(c) (UInt8, UnsafeMutableRawPointer) -> Void> = (
      1, 0, interrupt, 32
    )
    #if !BUG_STACK
    @section(".isr.notes") @used
    let stackNote: ISRSymbol<@convention(c) (UInt8, UnsafeMutableRawPointer) -> Void> = (
      11, 4096, interrupt, 0
    )
    #else
    @section(".isr.notes") @used
    let stackNote: ISRSymbol<@convention(c) (UInt8, UnsafeMutableRawPointer) -> Void> = (
      11, 8, interrupt, 0
    )
    #endif

    /// Floating point outside of interrupts is nobody's business.
    @c(start) public func start(_ memory: UnsafeMutableRawPointer) {
      let counters = memory.assumingMemoryBound(to: Counters.self)
      counters.pointee.load = counters.pointee.load.squareRoot() + 1
      counters.pointee.keys.3 = allocate(leaves(3))
    }
    """

  private static let bugs: [(define: String?, rule: Rule, function: String)?] = [
    nil, ("BUG_FLOAT", .extendedWrite, "interrupt"), ("BUG_ALLOC", .deniedCall, "interrupt"),
    ("BUG_RECURSION", .recursion, "leaves"), ("BUG_STACK", .stackOverflow, "interrupt"),
  ]

  @Test(
    "a clean kernel is proved, and a bug is found where it is",
    arguments: ["x86_64-unknown-none-elf", "aarch64-none-none-elf"])
  func bugs(target: String) throws {
    for bug in Self.bugs {
      try AnnotatedProgram.inDirectory { program in
        let define = bug?.define.map { ["-D", $0] } ?? []
        try program.compile(
          [
            "swiftc", "-target", target, "-module-name", "Kernel", "-O", "-wmo",
            "-parse-as-library", "-enable-experimental-feature", "Embedded", "-Xcc",
            "-ffreestanding", "-Xcc", "-mno-implicit-float", "-Xfrontend",
            "-disable-stack-protector", "-Xfrontend", "-function-sections",
          ] + define, "Kernel.swift", Self.source)
        let image = try program.link(["ld.lld", "--unresolved-symbols=ignore-all"])
        var options = CheckOptions()
        options.prove = true
        let report = try Checker(path: image.path, options: options).report()
        let errors = report.findings.filter { $0.severity == .error }
        guard let bug else {
          #expect(errors.map(\.message) == [])
          #expect(report.statistics.indirectCounts.values.reduce(0, +) <= 1)
          return
        }
        let comment = Comment(rawValue: "\(bug.define ?? ""): \(errors.map(\.message))")
        #expect(Set(errors.map(\.rule)) == [bug.rule], comment)
        #expect(errors.allSatisfy { $0.place.function.contains(bug.function) }, comment)
      }
    }
  }
}
