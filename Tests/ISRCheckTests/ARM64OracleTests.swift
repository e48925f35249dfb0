import Foundation
import TestSupport
import Testing

@testable import ISRCheck

/// The decoder against the toolchain's disassembler.
@Suite struct ARM64OracleTests {
  /// Compiled code with floating point, vectors, switches, atomics and copies of structures.
  static let source = """
    typedef unsigned long size_t;
    void *memcpy(void *restrict, const void *restrict, size_t);
    struct Big { long words[24]; double numbers[8]; };
    void copyBig(struct Big *a, const struct Big *b) { *a = *b; }
    struct Big makeBig(long x) { struct Big b = {{x, x + 1}, {1.5, x}}; return b; }
    double dot(const double *a, const double *b, int n) {
      double sum = 0;
      for (int i = 0; i < n; i++) sum += a[i] * b[i];
      return sum;
    }
    void scale(float *a, float f, size_t n) { for (size_t i = 0; i < n; i++) a[i] *= f; }
    unsigned total(const unsigned char *a, size_t n) {
      unsigned sum = 0;
      for (size_t i = 0; i < n; i++) sum += a[i];
      return sum;
    }
    long convert(double x, float y) { return (long)x + (unsigned)y; }
    int smaller(double a, double b, float c) { return a < b && c != 0; }
    double select(int c, double a, double b) { return c ? a : b; }
    typedef float four __attribute__((vector_size(16)));
    four add4(four a, four b) { return a * b + a; }
    float third(four a) { return a[3]; }
    int g(int), h(int), k(int), l(int), m(int);
    int choose(int x, int y) {
      switch (x) {
      case 0: return g(y);
      case 1: return h(y) + 1;
      case 2: return k(y) * 3;
      case 3: return l(y) / 7;
      case 4: return m(y) << 2;
      case 5: return g(m(y));
      case 9: return h(k(y));
      default: return x & 8 ? y : -y;
      }
    }
    static int (*const table[])(int) = {g, h, k, l, m};
    int indirect(unsigned i, int y) { return i < 5 ? table[i](y) : 0; }
    long counter;
    long increment(void) { return __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST); }
    void set(long *p, long v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    long get(long *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    _Bool swap(long *p, long *old, long new) {
      return __atomic_compare_exchange_n(p, old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    }
    unsigned long bits(unsigned long x) {
      return __builtin_popcountl(x) + __builtin_clzl(x | 1) + (x >> 5 & 0x7f) + (short)x;
    }
    int variable(int n) { volatile char room[n]; room[0] = 1; return room[n - 1]; }
    void trap(void) { __builtin_trap(); }
    unsigned mulhi(unsigned a, unsigned b) { return (unsigned long)a * b >> 32; }
    signed char narrow(const signed char *p, long i) { return p[i] + p[i + 1]; }
    """

  @Test(
    arguments: [
      ["-march=armv8-a"], ["-march=armv8.2-a"], ["-march=armv8.2-a+sve", "-O3"],
      ["-march=armv9-a+sve2"], ["-mgeneral-regs-only", "-DNO_FLOATS"],
      ["-march=armv8.3-a", "-mbranch-protection=standard"],
    ])
  func compiledCode(_ arguments: [String]) throws {
    let directory = try ScratchDirectory()
    // Without its registers the compiler refuses floating point, up to the loop over bytes.
    var source = Self.source
    if arguments.contains("-DNO_FLOATS"), let start = source.range(of: "unsigned total"),
      let end = source.range(of: "long convert"), let rest = source.range(of: "int g(int)")
    {
      source =
        "typedef unsigned long size_t;\n"
        + source[start.lowerBound..<end.lowerBound] + source[rest.lowerBound...]
    }
    try Data(source.utf8).write(to: directory.url.appendingPathComponent("a.c"))
    try Toolchain.run(
      "clang", ["--target=aarch64-none-elf", "-O2", "-c", "a.c", "-o", "a.o"] + arguments,
      in: directory.url)
    let lines = try Disassembly(of: "a.o", arguments: ["--mattr=+all"], in: directory.url).lines
    #expect(lines.count > 150)
    for line in lines { try check(line) }
    try checkTexts("a.o", in: directory)
  }

  /// What messages show is what the disassembler prints, where it is not a mere word and no alias.
  private func checkTexts(_ file: String, in directory: ScratchDirectory) throws {
    let arguments = ["--mattr=+all", "--no-print-imm-hex"]
    let lines = try Disassembly(of: file, arguments: arguments, in: directory.url).lines
    let written = [
      "ldr", "str", "ldur", "stur", "ldp", "stp", "b", "bl", "br", "blr", "ret", "cbz", "cbnz",
      "tbz", "tbnz", "fadd", "fmul", "fmov", "scvtf", "fcvtzs", "fcvtzu", "add", "sub", "brk",
      "cmp",
      "b.eq", "b.ne", "b.hi", "b.lo",
    ]
    var count = 0
    for line in lines where written.contains(line.mnemonic) {
      let text = line.bytes.withUnsafeBytes { ARM64Decoder().text($0, at: line.address) }
      let expected = "\(line.mnemonic) \(line.operands)".trimmingCharacters(in: .whitespaces)
      // Before linking, an addition of zero stands for one of an address.
      guard let text, !text.hasPrefix(".inst"), !expected.contains("lsl #12"),
        !(line.mnemonic == "add" && expected.hasSuffix(" #0"))
      else { continue }
      #expect(text == expected)
      count += 1
    }
    #expect(count > 40)
  }

  /// Words that the disassembler knows are decoded, and as what they are; no word crashes.
  @Test func randomWords() throws {
    var generator = SplitMix64(seed: 64)
    let wanted = ProcessInfo.processInfo.environment["APUS_RANDOM_WORDS"]
    let count = wanted.flatMap { Int($0) } ?? 20_000
    let words = (0..<count).map { _ in UInt32(truncatingIfNeeded: generator.next()) }
    let directory = try ScratchDirectory()
    let assembly = ".text\n" + words.map { ".inst \($0)\n" }.joined()
    try Data(assembly.utf8).write(to: directory.url.appendingPathComponent("a.s"))
    try Toolchain.run(
      "clang", ["--target=aarch64-none-elf", "-c", "a.s", "-o", "a.o"], in: directory.url)
    let lines = try Disassembly(of: "a.o", arguments: ["--mattr=+all"], in: directory.url).lines
    #expect(lines.count == count)
    for line in lines { try check(line) }
  }

  // MARK: The comparison

  private func check(_ line: Disassembly.Line) throws {
    let decoder = ARM64Decoder()
    let instruction = line.bytes.withUnsafeBytes { decoder.decode($0, at: line.address) }
    // The space of hints is not allocated with a register, which the disassembler does not mind.
    guard line.mnemonic != "<unknown>", !line.mnemonic.hasPrefix("."),
      !line.operands.hasPrefix("S0_")
    else { return }
    guard let instruction else {
      Issue.record("not decoded: \(line.description)")
      return
    }
    let expected = ARM64Expectation(line)
    #expect(expected.agrees(with: instruction.flow), "\(line.description): \(instruction)")
    if let writes = expected.extendedWrites {
      let written = !instruction.extendedWrites.isEmpty
      let touched = written || !instruction.extendedReads.isEmpty
      #expect(written == writes, "\(line.description): \(instruction)")
      #expect(touched == expected.touchesVectors, "\(line.description): \(instruction)")
    }
    #expect(
      instruction.overwrites.isSuperset(of: expected.overwrites),
      "\(line.description): \(instruction)")
    if let exact = expected.exactOverwrites {
      #expect(instruction.overwrites == exact, "\(line.description): \(instruction)")
    }
    if expected.writesMemory {
      #expect(instruction.writesMemory, "\(line.description): \(instruction)")
    }
  }
}
