import ELF

/// Where the kernel keeps a record for each frame of memory.
struct FrameRecords: Equatable {
  let addresses: Range<UInt64>
  /// Bytes of a record.
  let size: UInt64

  init(start: UInt64, size: UInt64, memory: MemorySize) {
    addresses = start..<start + memory.bytes / 4096 * size
    self.size = size
  }

  /// The frames whose records are in a line.
  func frames(in line: ConflictTrace.Line) -> ClosedRange<UInt64>? {
    guard addresses.contains(line.address) else { return nil }
    let first = (line.address - addresses.lowerBound) / size
    return first...first + ConflictTrace.lineSize / size - 1
  }
}

/// Says what lines of memory are, and which code touches them.
struct ConflictNames {
  let symbols: SymbolTable
  let records: FrameRecords
  var objects: [NamedMemory] = []
  /// The line of the source that an instruction belongs to; `nil` where nobody asks for lines.
  var place: ((UInt64) -> String?)?

  /// The beginnings of the names of functions that are the heap's.
  private static let heapFunctions = ["Heap.", "apus_heap_", "malloc", "free", "posix_memalign"]
  /// The files of the source whose code touches entries of page tables and little else.
  private static let tableFiles: Set = ["TablePage", "BaselinePageTable"]
  /// Files with code that touches what belongs to others.
  private static let commonFiles: Set = [
    "Atomic", "LockAcquisition", "SpinLockCore", "RWSpinLockCore",
  ]

  /// The line as it is reported; `related` says which CPUs have to do with each other.
  func line(
    _ line: ConflictTrace.Line, among related: (Int, Int) -> Bool = { _, _ in true }
  ) -> ConflictReport.Line {
    let functions = functions(of: line)
    let object = object(line, functions)
    return ConflictReport.Line(
      address: "0x\(String(line.address, radix: 16))",
      object: line.hasSharedBytes(among: related) ? object : "\(object); no byte is shared",
      functions: functions)
  }

  /// What a line is: what in it was written, and what lies beside that and was touched.
  private func object(
    _ line: ConflictTrace.Line, _ functions: [ConflictReport.Function]
  ) -> String {
    let written = names(of: line.writtenBytes, in: line, functions)
    let beside = names(of: line.touchedBytes, in: line, functions).filter { !written.contains($0) }
    var text = written.joined(separator: ", ")
    if !beside.isEmpty { text += ", on a line with \(beside.joined(separator: ", "))" }
    return text
  }

  /// What some bytes of a line are; `bytes` has a bit for each.
  private func names(
    of bytes: UInt64, in line: ConflictTrace.Line, _ functions: [ConflictReport.Function]
  ) -> [String] {
    guard bytes != 0 else { return [] }
    let variables = symbols.objects(in: line)
    if !variables.isEmpty {
      let touched = symbols.objects(at: line.virtualAddress, bytes)
      return touched.isEmpty ? variables : touched
    }
    let lineEnd = line.virtualAddress + ConflictTrace.lineSize
    let known = objects.filter { $0.addresses.overlaps(line.virtualAddress..<lineEnd) }
    if !known.isEmpty { return Set(known.map(\.name)).sorted() }
    let files = files(of: functions)
    if let frames = records.frames(in: line) {
      let what = files.contains("TablePage") ? "lock of a page table, in " : ""
      let touched = Self.parts(of: bytes, size: records.size).map { frames.lowerBound + $0 }
      return [what + Self.text("record of frame", "records of frames", touched)]
    }
    if line.virtualAddress >= KernelAddresses.stacks { return ["stack"] }
    // Memory has no names, but code of one kind touches little else.
    let page = String(line.address & ~4095, radix: 16)
    if !files.isDisjoint(with: Self.tableFiles) {
      let touched = Self.parts(of: bytes, size: 8).map { line.address % 4096 / 8 + $0 }
      return ["page table 0x\(page), " + Self.text("entry", "entries", touched)]
    }
    let isHeap = functions.contains { function in
      Self.heapFunctions.contains { function.name.hasPrefix($0) }
    }
    if isHeap { return ["heap page 0x\(page)"] }
    let owners = files.subtracting(Self.commonFiles).sorted()
    if owners.isEmpty { return ["memory, page 0x\(page)"] }
    return ["memory of \(owners.joined(separator: ", ")), page 0x\(page)"]
  }

  /// Which parts of `size` bytes have a byte in a set.
  private static func parts(of bytes: UInt64, size: UInt64) -> [UInt64] {
    let part = (UInt64(1) << size) - 1
    return (0..<ConflictTrace.lineSize / size).filter { bytes >> ($0 * size) & part != 0 }
  }

  /// Some numbers, or the first and the last of many.
  private static func text(_ one: String, _ several: String, _ numbers: [UInt64]) -> String {
    guard let first = numbers.first, let last = numbers.last, numbers.count > 1 else {
      return "\(one) \(numbers.first ?? 0)"
    }
    if numbers.count > 4 { return "\(several) \(first) to \(last)" }
    return "\(several) \(numbers.map(String.init).joined(separator: ", "))"
  }

  /// The files of the source that have code which touches a line, without their endings.
  private func files(of functions: [ConflictReport.Function]) -> Set<String> {
    var files: Set<String> = []
    for place in functions.compactMap(\.places).joined() {
      if let file = place.split(separator: "/").last?.split(separator: ".").first {
        files.insert(String(file))
      }
    }
    return files
  }

  /// The functions that touch a line, each with the CPUs on which it does.
  private func functions(of line: ConflictTrace.Line) -> [ConflictReport.Function] {
    var functions: [ConflictReport.Function] = []
    for access in line.accesses {
      let name =
        symbols.function(at: access.instruction)?.name
        ?? "0x\(String(access.instruction, radix: 16))"
      let index =
        functions.firstIndex { $0.name == name }
        ?? {
          functions.append(
            .init(name: name, readers: [], writers: [], places: place.map { _ in [] }))
          return functions.count - 1
        }()
      if access.reads > 0, !functions[index].readers.contains(access.cpu) {
        functions[index].readers.append(access.cpu)
      }
      if access.writes > 0, !functions[index].writers.contains(access.cpu) {
        functions[index].writers.append(access.cpu)
      }
      if let place = place?(access.instruction), functions[index].places?.contains(place) == false {
        functions[index].places?.append(place)
      }
    }
    return functions
  }
}

extension SymbolTable {
  /// The variables of the image that lie in a line.
  func objects(in line: ConflictTrace.Line) -> [String] {
    objects(in: line.virtualAddress..<line.virtualAddress + ConflictTrace.lineSize)
  }

  /// Those in which some bytes of the line at `start` lie; `bytes` has a bit for each.
  func objects(at start: UInt64, _ bytes: UInt64) -> [String] {
    var names: [String] = []
    for byte in 0..<ConflictTrace.lineSize where bytes >> byte & 1 != 0 {
      for name in objects(in: start + byte..<start + byte + 1) where !names.contains(name) {
        names.append(name)
      }
    }
    return names
  }
}

/// Where the kernel puts things in its address space (Documentation/Architecture.md).
enum KernelAddresses {
  /// Stacks begin here; all else is below.
  static let stacks: UInt64 = 0x1000_0000_0000
}
