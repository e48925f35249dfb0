import Foundation

/// What the plugin `ConflictTrace` recorded in one run: which CPUs touched the same cache lines,
/// window by window. The file's format is described at the head of
/// `Sources/ConflictTrace/trace.c`.
public struct ConflictTrace: Equatable, Sendable {
  /// Bytes in a cache line.
  public static let lineSize: UInt64 = 64

  /// What one instruction of a CPU did to a line.
  public struct Access: Equatable, Sendable {
    public var cpu: Int
    public var reads: UInt64
    public var writes: UInt64
    /// The address of the instruction.
    public var instruction: UInt64
    /// A bit for each byte of the line to which it did that.
    public var bytes = UInt64.max
  }

  /// A line that several CPUs touched in one window.
  public struct Line: Equatable, Sendable {
    /// Where it is in physical memory.
    public var address: UInt64
    /// Where the guest's code sees it.
    public var virtualAddress: UInt64
    public var accesses: [Access]

    /// Whether a CPU wrote it that another one reads or writes.
    public var isConflict: Bool { isConflict { _, _ in true } }

    /// Whether a CPU wrote it that another one reads or writes which has to do with the first one: both
    /// are asked about.
    func isConflict(among related: (Int, Int) -> Bool) -> Bool {
      accesses.contains { writer in
        writer.writes > 0
          && accesses.contains { $0.cpu != writer.cpu && related(writer.cpu, $0.cpu) }
      }
    }

    /// The bytes that any CPU touched, and those that one wrote; a bit for each.
    var touchedBytes: UInt64 { accesses.reduce(0) { $0 | $1.bytes } }
    var writtenBytes: UInt64 { accesses.reduce(0) { $1.writes > 0 ? $0 | $1.bytes : $0 } }

    /// Whether one of these CPUs wrote a byte that another one touched: if not, they meet by chance.
    func hasSharedBytes(among related: (Int, Int) -> Bool) -> Bool {
      accesses.contains { writer in
        writer.writes > 0
          && accesses.contains {
            $0.cpu != writer.cpu && related(writer.cpu, $0.cpu) && $0.bytes & writer.bytes != 0
          }
      }
    }
  }

  /// What CPUs did in a window.
  public struct Window: Equatable, Sendable {
    /// All lines that were touched, and how often.
    public var lines: UInt64
    public var accesses: UInt64
    /// Those that several CPUs touched, by address.
    public var shared: [Line] = []

    /// Those of them that a CPU wrote.
    public var conflicts: [Line] { shared.filter(\.isConflict) }
  }

  public let cpus: Int
  /// The windows that a CPU has been in, by their numbers.
  public let windows: [Int: Window]
}

extension ConflictTrace {
  /// Why a file cannot be used.
  public enum ReadingError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case unknownFormat(firstLine: String)
    case malformed(line: Int, text: String)
    case incomplete

    public var description: String {
      switch self {
      case .unreadable(let path, let reason): "cannot read the trace \(path): \(reason)"
      case .unknownFormat(let firstLine):
        "not a trace of conflicts of version 2 (it begins with \"\(firstLine)\"): "
          + "rebuild the plugin with `swift build -c release --product ConflictTrace`"
      case .malformed(let line, let text):
        "line \(line) of the trace of conflicts is malformed: \"\(text)\""
      case .incomplete:
        "the trace of conflicts has no end: QEMU was killed before it could write it"
      }
    }
  }

  /// Reads the file that the plugin wrote at QEMU's exit.
  public init(contentsOf path: String) throws(ReadingError) {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
    try self.init(parsing: String(decoding: data, as: UTF8.self))
  }

  /// Parses the text of such a file.
  public init(parsing text: String) throws(ReadingError) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first == "apus-conflict-trace 2" else {
      throw .unknownFormat(firstLine: String(lines.first?.prefix(40) ?? ""))
    }
    if lines.last == "" { lines.removeLast() }
    var cpus: Int?
    var windows: [Int: Window] = [:]
    var count: UInt64 = 0
    var end: UInt64?
    for (index, line) in lines.enumerated().dropFirst() {
      let fields = line.split(separator: " ")
      let isRead: Bool
      switch fields.first {
      case "cpus":
        cpus = fields.count == 2 ? Int(fields[1]) : nil
        isRead = cpus != nil
      case "window": isRead = Self.read(window: fields, into: &windows)
      case "access":
        isRead = Self.read(access: fields, cpus: cpus ?? 0, into: &windows)
        count += 1
      case "end":
        end = fields.count == 2 ? UInt64(fields[1]) : nil
        isRead = end == count && index == lines.count - 1
      default: isRead = false
      }
      guard isRead else { throw .malformed(line: index + 1, text: String(line.prefix(80))) }
    }
    guard let cpus, end != nil else { throw .incomplete }
    self.init(cpus: cpus, windows: windows)
  }

  private static func read(window fields: [Substring], into windows: inout [Int: Window]) -> Bool {
    guard fields.count == 4, let number = Int(fields[1]), let lines = UInt64(fields[2]),
      let accesses = UInt64(fields[3])
    else { return false }
    return windows.updateValue(Window(lines: lines, accesses: accesses), forKey: number) == nil
  }

  private static func read(
    access fields: [Substring], cpus: Int, into windows: inout [Int: Window]
  ) -> Bool {
    guard fields.count == 9, let number = Int(fields[1]), windows[number] != nil,
      let address = UInt64(fields[2], radix: 16), let virtual = UInt64(fields[3], radix: 16),
      let cpu = Int(fields[4]), (0..<cpus).contains(cpu), let reads = UInt64(fields[5]),
      let writes = UInt64(fields[6]), let instruction = UInt64(fields[7], radix: 16),
      let bytes = UInt64(fields[8], radix: 16)
    else { return false }
    let access = Access(
      cpu: cpu, reads: reads, writes: writes, instruction: instruction, bytes: bytes)
    if let last = windows[number]?.shared.indices.last,
      windows[number]?.shared[last].address == address
    {
      windows[number]?.shared[last].accesses.append(access)
    } else {
      windows[number]?.shared.append(
        Line(address: address, virtualAddress: virtual, accesses: [access]))
    }
    return true
  }
}
