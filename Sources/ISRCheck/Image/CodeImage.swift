import ELF

/// A linked image as its CPU would see it: memory by address, with the functions in it.
final class CodeImage: Sendable {
  let file: ELFFile
  let convention: CallingConvention
  let decoder: any InstructionDecoder
  let functions: FunctionTable
  /// Successors that code has beside those of its instructions, and places where it ends.
  let patches: CodePatches

  /// Loaded parts of the file, by address; those of one address are in the order of the file.
  private let regions: [Region]
  /// Words that a dynamic loader fills in.
  private let relocated: [UInt64: UInt64]
  /// Words that it fills with the address of something outside of the image.
  private let externals: [UInt64: String]

  private struct Region {
    var start: UInt64
    /// Behind the last byte that the file has.
    var fileEnd: UInt64
    var end: UInt64
    var offset: Int
    var isWritable: Bool
    var isExecutable: Bool
  }

  init(_ file: ELFFile) throws(CheckFailure) {
    self.file = file
    switch file.architecture {
    case .x86_64: (convention, decoder) = (.x86, X86Decoder())
    case .aarch64: (convention, decoder) = (.arm64, ARM64Decoder())
    case .other(let number):
      throw .notAnalysable(
        "\(file.path) is for machine \(number) of ELF's list; only x86-64 (62) and AArch64 (183) "
          + "are known")
    }
    guard file.kind == .executable || file.kind == .shared else {
      throw .notAnalysable("\(file.path) is not linked: give the image that the linker made")
    }
    let regions = Self.regions(of: file)
    guard regions.contains(where: \.isExecutable) else {
      throw .notAnalysable("\(file.path) has no code")
    }
    self.regions = regions
    do {
      (relocated, externals) = try Self.dynamicWords(of: file)
      functions = FunctionTable(
        try file.symbols(),
        isCode: { address in
          Self.region(holding: address, in: regions)?.isExecutable ?? false
        })
    } catch {
      throw .unreadable(error.description)
    }
    patches = try CodePatches(
      file, isCode: { Self.region(holding: $0, in: regions)?.isExecutable ?? false })
  }

  /// Sections tell what is code and what is read only better than segments do; a file without them
  /// has segments still.
  private static func regions(of file: ELFFile) -> [Region] {
    let noBits: UInt32 = 8
    let sections = file.sections.filter { $0.isAllocated && $0.size > 0 }
    let regions: [Region]
    if sections.contains(where: \.isExecutable) {
      regions = sections.compactMap { section in
        let (end, overflow) = section.address.addingReportingOverflow(section.size)
        // Thread-local zeroes take no addresses.
        guard !overflow, !(section.kind == noBits && section.flags & 0x400 != 0) else { return nil }
        // What is read only once relocations are applied (.data.rel.ro, .got) is so for code.
        let isRelocated = section.name.hasPrefix(".data.rel.ro") || section.name == ".got"
        return Region(
          start: section.address, fileEnd: section.kind == noBits ? section.address : end,
          end: end, offset: Int(clamping: section.offset),
          isWritable: section.isWritable && !isRelocated, isExecutable: section.isExecutable)
      }
    } else {
      let loaded: UInt32 = 1
      regions = file.segments.filter { $0.kind == loaded && $0.memorySize > 0 }
        .compactMap { segment in
          let (end, overflow) = segment.virtualAddress.addingReportingOverflow(segment.memorySize)
          guard !overflow, segment.fileSize <= segment.memorySize else { return nil }
          return Region(
            start: segment.virtualAddress, fileEnd: segment.virtualAddress &+ segment.fileSize,
            end: end, offset: Int(clamping: segment.offset), isWritable: segment.isWritable,
            isExecutable: segment.isExecutable)
        }
    }
    return regions.sorted { $0.start < $1.start }
  }

  private static func dynamicWords(
    of file: ELFFile
  ) throws(ELFFile.ReadingError) -> ([UInt64: UInt64], [UInt64: String]) {
    guard file.kind == .shared || file.segments.contains(where: { $0.kind == 2 }) else {
      return ([:], [:])
    }
    var words: [UInt64: UInt64] = [:]
    var externals: [UInt64: String] = [:]
    for relocation in try file.relocations() where relocation.isDynamic {
      if let symbol = relocation.symbol, !symbol.name.isEmpty {
        if symbol.isDefined {
          words[relocation.offset] = symbol.address &+ UInt64(bitPattern: relocation.addend)
        } else {
          externals[relocation.offset] = symbol.name
        }
      } else {
        // R_X86_64_RELATIVE, R_AARCH64_RELATIVE: the image stays where it was linked.
        words[relocation.offset] = UInt64(bitPattern: relocation.addend)
      }
    }
    return (words, externals)
  }

  private static func region(holding address: UInt64, in regions: [Region]) -> Region? {
    var low = 0
    var high = regions.count
    while low < high {
      let middle = (low + high) / 2
      if regions[middle].start <= address { low = middle + 1 } else { high = middle }
    }
    // Sections of the same address: an empty file part or a shorter one may come last.
    var index = low - 1
    while index >= 0 {
      if address < regions[index].end { return regions[index] }
      if index > 0 && regions[index - 1].end <= regions[index].start { return nil }
      index -= 1
    }
    return nil
  }

  private func region(holding address: UInt64) -> Region? {
    Self.region(holding: address, in: regions)
  }

  /// Whether code stands at an address.
  func isCode(_ address: UInt64) -> Bool { region(holding: address)?.isExecutable ?? false }

  /// The instruction at an address, or `nil` when there is none.
  func instruction(at address: UInt64) -> Instruction? {
    guard let region = region(holding: address), region.isExecutable, address < region.fileEnd
    else { return nil }
    return file.withBytes { bytes in
      let start = region.offset &+ Int(address &- region.start)
      let end = region.offset &+ Int(region.fileEnd &- region.start)
      guard start >= 0, start < end, end <= bytes.count else { return nil }
      return decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), at: address)
    }
  }

  /// The text of the instruction at an address.
  func text(at address: UInt64) -> String {
    guard let region = region(holding: address), region.isExecutable, address < region.fileEnd
    else { return "?" }
    return file.withBytes { bytes in
      let start = region.offset &+ Int(address &- region.start)
      let end = region.offset &+ Int(region.fileEnd &- region.start)
      guard start >= 0, start < end, end <= bytes.count else { return "?" }
      return decoder.text(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), at: address) ?? "?"
    }
  }

  /// A number in memory that nothing changes, or `nil` when it can change or is not there.
  func constant(at address: UInt64, size: Int) -> UInt64? {
    guard let region = region(holding: address), !region.isWritable, externals[address] == nil
    else { return nil }
    return number(at: address, size: size, in: region)
  }

  /// What a number in memory is at the start.
  func initialNumber(at address: UInt64, size: Int) -> UInt64? {
    guard let region = region(holding: address), externals[address] == nil else { return nil }
    return number(at: address, size: size, in: region)
  }

  /// The name of what a dynamic loader puts at an address, if it lies outside of the image.
  func external(at address: UInt64) -> String? { externals[address] }

  private func number(at address: UInt64, size: Int, in region: Region) -> UInt64? {
    if size == 8, let word = relocated[address] { return word }
    let (end, overflow) = address.addingReportingOverflow(UInt64(size))
    guard !overflow, end <= region.fileEnd else {
      return !overflow && address >= region.fileEnd && end <= region.end ? 0 : nil
    }
    return file.withBytes { bytes in
      let start = region.offset &+ Int(address &- region.start)
      guard start >= 0, start <= bytes.count - size else { return nil }
      return (0..<size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
  }

  /// The string at an address, if it is UTF-8, ends, and has no more than 1000 bytes.
  func string(at address: UInt64) -> String? {
    var bytes: [UInt8] = []
    while bytes.count < 1000, let byte = initialNumber(at: address &+ UInt64(bytes.count), size: 1)
    {
      if byte == 0 { return String(validating: bytes, as: UTF8.self) }
      bytes.append(UInt8(byte))
    }
    return nil
  }

  /// The extent of the constant object that starts at an address: a table of function pointers.
  func constantTable(at address: UInt64) -> Range<UInt64>? {
    guard address != 0, let size = functions.objectSize(at: address), size >= 8,
      let region = region(holding: address), !region.isWritable, size <= region.end &- address,
      size <= UInt64(ConstantSets.limit) * 8
    else { return nil }
    return address..<(address &+ size)
  }

  /// The SHA-256 of what is loaded, in the order of the addresses.
  var digest: String {
    var hash = SHA256()
    file.withBytes { bytes in
      for region in regions {
        let start = region.offset
        let end = start &+ Int(region.fileEnd &- region.start)
        guard start >= 0, start < end, end <= bytes.count else { continue }
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
      }
    }
    return hash.hexadecimal()
  }

  /// Addresses of the table entries of words in data that point to functions.
  func forEachDataWord(_ body: (UInt64) -> Void) {
    for region in regions where !region.isExecutable {
      var address = (region.start &+ 7) & ~7
      while address &+ 8 <= region.fileEnd {
        if let word = number(at: address, size: 8, in: region) { body(word) }
        address &+= 8
      }
    }
  }
}
