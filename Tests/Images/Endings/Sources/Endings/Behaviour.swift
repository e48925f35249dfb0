import Apus

/// What the program can be told to do.
enum Behaviour: CaseIterable {
  case exit, fail, hang, exhaust, write, show, read

  private var name: StaticString {
    switch self {
    case .exit: "exit"
    case .fail: "fail"
    case .hang: "hang"
    case .exhaust: "exhaust"
    case .write: "write"
    case .show: "show"
    case .read: "read"
    }
  }

  /// The behaviour with this name.
  init?(_ word: String) {
    for behaviour in Self.allCases
    where behaviour.name.withUTF8Buffer({ $0.elementsEqual(word.utf8) }) {
      self = behaviour
      return
    }
    return nil
  }

  /// Does it.
  func run(_ arguments: [String]) {
    let number = arguments.first.map(Self.number) ?? 0
    switch self {
    case .exit: Apus.exit(Int32(truncatingIfNeeded: number))
    case .fail: failInAFunction(number)
    case .hang: CPUSet.online.run { _ in spinForever() }
    case .exhaust: exhaustMemory()
    case .write: writeOnAllCPUs(number)
    case .show: writeAll(arguments)
    case .read: readAll(showing: number)
    }
  }

  private static func number(_ text: String) -> Int {
    var value = 0
    for digit in text.utf8 { value = value * 10 + Int(digit) - 0x30 }
    return value
  }
}

/// Fails a check; the report's backtrace has to name this function and its caller.
@inline(never)
private func failInAFunction(_ number: Int) {
  failAPrecondition(number)
  Console.error("still there")
}

@inline(never)
private func failAPrecondition(_ number: Int) {
  precondition(number > 0, "the check that is to fail")
  Console.error("the check has not failed")
}

/// Never ends, and never halts.
@inline(never)
private func spinForever() {
  let zero = Atomic<Int>(0)
  while zero.load(ordering: .relaxed) == 0 {}
}

/// Keeps all it gets.
private func exhaustMemory() {
  var blocks: [[UInt8]] = []
  while true { blocks.append([UInt8](repeating: UInt8(blocks.count & 255), count: 1 << 20)) }
}

/// Writes as many lines on every CPU at the same time, by two ways in turn; the text after the CPU
/// tells whether a line is whole.
private func writeOnAllCPUs(_ lineCount: Int) {
  CPUSet.online.run { cpu in
    let letter = UInt8(ascii: "a") + UInt8(cpu.index % 26)
    let text = String(decoding: [UInt8](repeating: letter, count: 40), as: UTF8.self)
    for line in 0..<lineCount {
      if line % 2 == 0 {
        Console.write("\(cpu.index) \(line) \(text)\n")
      } else {
        print("\(cpu.index) \(line) \(text)")
      }
    }
  }
}

/// Reads lines to the end of the input; writes the first ones in brackets, and how many lines and bytes there were.
private func readAll(showing count: Int) {
  var lines = 0
  var bytes = 0
  while let line = Console.readLine() {
    lines += 1
    bytes += line.utf8.count
    if lines <= count { print("[\(line)]") }
  }
  print("\(lines) lines of \(bytes) bytes")
  if Console.readLine() != nil || Console.readByte() != nil { print("there is more") }
}

/// Writes the arguments and the environment, one a line in brackets.
private func writeAll(_ arguments: [String]) {
  Console.write("program [\(CommandLine.arguments[0])]\n")
  for argument in arguments { Console.write("argument [\(argument)]\n") }
  for variable in Environment.all { Console.write("\(variable.name) [\(variable.value)]\n") }
}
