import Foundation

/// How often each instruction was executed, as the plugin `InstructionProfile` counted it. The
/// file's format is described at the head of `Sources/InstructionProfile/profile.c`.
public struct InstructionProfile: Equatable, Sendable {
  /// The phase of the benchmarks' image that is profiled: the longer run of the work.
  static let phase: UInt64 = 3

  /// The instructions by their addresses.
  public let counts: [UInt64: UInt64]
  /// How many operations they all did.
  public let operations: Int

  /// The file cannot be used.
  public struct Unusable: Error, Equatable, CustomStringConvertible {
    public let reason: String

    public var description: String { "the profile of instructions cannot be used: \(reason)" }
  }

  /// Reads the file that the plugin wrote at QEMU's exit.
  init(contentsOf path: String, operations: Int) throws(Unusable) {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw Unusable(reason: "there is no file \(path)")
    }
    try self.init(parsing: String(decoding: data, as: UTF8.self), operations: operations)
  }

  /// Parses the text of such a file.
  init(parsing text: String, operations: Int) throws(Unusable) {
    var lines = text.split(separator: "\n")[...]
    guard lines.popFirst() == "apus-instruction-profile 1" else {
      throw Unusable(
        reason: "it has another format; rebuild the plugin with "
          + "`swift build -c release --product InstructionProfile`")
    }
    guard let end = lines.popLast(), end == "end \(lines.count)" else {
      throw Unusable(reason: "its end is missing: QEMU was killed")
    }
    var counts: [UInt64: UInt64] = [:]
    for line in lines {
      let fields = line.split(separator: " ")
      guard fields.count == 3, fields[0] == "count", let address = UInt64(fields[1], radix: 16),
        let count = UInt64(fields[2]), counts.updateValue(count, forKey: address) == nil
      else { throw Unusable(reason: "it has a line \"\(line.prefix(80))\"") }
    }
    self.counts = counts
    self.operations = operations
  }
}
