import Boot
import TestSupport
import Testing

private let address: UInt64 = 0x20000

private func memory(_ line: String) -> FixtureMemory {
  var memory = FixtureMemory()
  memory.place(Array(line.utf8) + [0], at: address)
  return memory
}

private func commandLine(_ line: String) throws -> KernelCommandLine<FixtureMemory> {
  try KernelCommandLine(at: address, in: memory(line))
}

extension KernelCommandLine {
  fileprivate func text(_ bytes: Bytes) -> String {
    var result: [UInt8] = []
    decode(bytes) { result.append($0) }
    return String(decoding: result, as: UTF8.self)
  }

  fileprivate var optionTexts: [String] {
    options.map { option in
      text(option.key) + (option.value.map { " is " + text($0) } ?? "")
    }
  }

  fileprivate var argumentTexts: [String] {
    arguments.map { text($0) }
  }
}

@Suite struct KernelCommandLineTests {
  @Test func optionsAndArguments() throws {
    let line = try commandLine(
      "program=word%20count  log=debug\tenv.A=x=y quiet -- --top 10 % a%2Fb -- log=error")
    #expect(
      line.optionTexts == ["program is word count", "log is debug", "env.A is x=y", "quiet"])
    #expect(line.argumentTexts == ["--top", "10", "", "a/b", "--", "log=error"])
    #expect(line.value(of: "log").map(line.text) == "debug")
    #expect(line.value(of: "quiet") == nil)
    #expect(line.hasFlag("quiet"))
    #expect(!line.hasFlag("log"))
    #expect(!line.hasFlag("10"))
  }

  @Test func lastValueCounts() throws {
    let line = try commandLine("log=debug log=error logs=info lo=x")
    #expect(line.value(of: "log").map(line.text) == "error")
  }

  @Test func monitorsAddWords() throws {
    let line = try commandLine(
      "log=info reboot=k panic=1 virtio_mmio.device=4K@0xc0001000:5 virtio_mmio.device=1@2:3")
    #expect(line.optionTexts.count == 5)
    #expect(line.argumentTexts == [])
  }

  @Test func emptyOnes() throws {
    #expect(try commandLine("").optionTexts == [])
    #expect(try commandLine(" \t\n ").optionTexts == [])
    #expect(try commandLine("--").argumentTexts == [])
    #expect(try commandLine("a --").optionTexts == ["a"])
    #expect(try commandLine("=").optionTexts == [" is "])
    let none = try KernelCommandLine(at: 0, in: FixtureMemory())
    #expect(none.optionTexts == [] && none.argumentTexts == [])
  }

  @Test func remainderAfterPrefix() throws {
    let line = try commandLine("env.PATH=/bin env=3 env.=4")
    let names = line.options.map { option in
      line.remainder(of: option.key, after: "env.").map(line.text)
    }
    #expect(names == ["PATH", nil, ""])
  }

  @Test func malformedEscapesAreLiteral() throws {
    let line = try commandLine("-- %4 %zz %4g a% %% %41%4 %%41 %00")
    #expect(line.argumentTexts == ["%4", "%zz", "%4g", "a%", "%%", "A%4", "%A", "\0"])
  }

  @Test func brokenOnesAreErrors() {
    #expect(throws: KernelCommandLineError.unreadable(address: 0x5000)) {
      try KernelCommandLine(at: 0x5000, in: FixtureMemory())
    }
    #expect(throws: KernelCommandLineError.unreadable(address: UInt64.max)) {
      try KernelCommandLine(at: UInt64.max, in: FixtureMemory())
    }
    var endless = FixtureMemory()
    endless.place([UInt8](repeating: 0x61, count: 100_000), at: 0x1000)
    #expect(throws: KernelCommandLineError.unterminated(address: 0x1000)) {
      try KernelCommandLine(at: 0x1000, in: endless)
    }
    var cut = FixtureMemory()
    cut.place([0x61, 0x62], at: 0x1000)
    #expect(throws: KernelCommandLineError.unterminated(address: 0x1000)) {
      try KernelCommandLine(at: 0x1000, in: cut)
    }
  }

  /// Every byte string comes back from its encoding, and random lines never crash.
  @Test func randomLines() throws {
    var generator = SplitMix64(seed: 3)
    let alphabet = Array(" \t%=-az09AF.\u{7f}".utf8) + [0xFF]
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...40, using: &generator)
      let bytes = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
      var memory = FixtureMemory()
      memory.place(bytes + [0], at: address)
      let line = try KernelCommandLine(at: address, in: memory)
      var visited = 0
      for option in line.options {
        line.decode(option.key) { _ in visited += 1 }
        if let value = option.value { line.decode(value) { _ in visited += 1 } }
      }
      for argument in line.arguments { line.decode(argument) { _ in visited += 1 } }
      #expect(visited <= count)
    }
  }
}
