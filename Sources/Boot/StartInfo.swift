/// What the loader hands to a PVH kernel: `hvm_start_info`.
///
/// Source: Xen, `public/arch-x86/hvm/start_info.h`. All addresses are physical.
public struct StartInfo: Equatable, Sendable {
  /// The parts that an error can be about.
  public enum Part: Equatable, Sendable {
    /// The structure that the loader's register points to.
    case startInfo
    /// An entry of the module list.
    case module
    /// An entry of the memory map.
    case memoryMapEntry

    var name: String {
      switch self {
      case .startInfo: "start info"
      case .module: "module"
      case .memoryMapEntry: "memory map entry"
      }
    }
  }

  /// One module: a file that was loaded along with the kernel, such as the initial file system.
  public struct Module: Equatable, Sendable {
    /// Where its bytes are.
    public let range: PhysicalRange
    /// Where its own command line is, NUL terminated; 0 when it has none.
    public let commandLineAddress: UInt64
  }

  /// One entry of the memory map as the loader gave it; entries may overlap and be in any order.
  public struct MemoryMapEntry: Equatable, Sendable {
    /// The memory that the entry speaks of, clipped at the end of the address space.
    public let range: PhysicalRange
    /// What the memory is good for.
    public let kind: MemoryMap.Kind
  }

  /// `hvm_start_info.magic`.
  public static var magic: UInt32 { 0x336e_c578 }
  /// More modules than this are taken for a broken start info.
  public static var moduleLimit: Int { 64 }
  /// More memory map entries than this are taken for a broken start info.
  public static var memoryMapEntryLimit: Int { 1024 }
  /// The size of the structure in version 1, in bytes.
  public static var byteCount: UInt64 { 56 }
  /// The size of an entry of the module list, in bytes.
  public static var moduleEntryByteCount: UInt64 { 32 }
  /// The size of an entry of the memory map, in bytes.
  public static var memoryMapEntryByteCount: UInt64 { 24 }

  /// Where the structure itself is.
  public let address: UInt64
  /// The version of the structure, 1 or greater.
  public let version: UInt32
  /// Flags; none has a meaning for Apus.
  public let flags: UInt32
  /// The number of modules.
  public let moduleCount: Int
  /// Where the module list is.
  public let moduleListAddress: UInt64
  /// Where the kernel's command line is, NUL terminated; 0 when there is none.
  public let commandLineAddress: UInt64
  /// Where the ACPI root pointer is; 0 when the loader does not say so.
  public let rsdpAddress: UInt64
  /// Where the memory map is.
  public let memoryMapAddress: UInt64
  /// The number of entries in the memory map, at least 1.
  public let memoryMapEntryCount: Int

  /// Reads the start info at `address`, which the loader passes in EBX.
  public init(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(StartInfoError) {
    let fields = StructureReader(memory, at: address)
    guard let magic = fields.load(UInt32.self, at: 0), let version = fields.load(UInt32.self, at: 4)
    else { throw .unreadable(.startInfo, address: address) }
    guard magic == Self.magic else { throw .badMagic(magic, address: address) }
    guard version > 0 else { throw .noMemoryMapInVersion0 }
    guard
      let flags = fields.load(UInt32.self, at: 8),
      let moduleCount = fields.load(UInt32.self, at: 12),
      let moduleListAddress = fields.load(UInt64.self, at: 16),
      let commandLineAddress = fields.load(UInt64.self, at: 24),
      let rsdpAddress = fields.load(UInt64.self, at: 32),
      let memoryMapAddress = fields.load(UInt64.self, at: 40),
      let memoryMapEntryCount = fields.load(UInt32.self, at: 48)
    else { throw .unreadable(.startInfo, address: address) }
    guard moduleCount <= Self.moduleLimit else {
      throw .absurdCount(.module, count: UInt64(moduleCount))
    }
    guard memoryMapEntryCount > 0 else { throw .emptyMemoryMap }
    guard memoryMapEntryCount <= Self.memoryMapEntryLimit else {
      throw .absurdCount(.memoryMapEntry, count: UInt64(memoryMapEntryCount))
    }
    self.address = address
    self.version = version
    self.flags = flags
    self.moduleCount = Int(moduleCount)
    self.moduleListAddress = moduleListAddress
    self.commandLineAddress = commandLineAddress
    self.rsdpAddress = rsdpAddress
    self.memoryMapAddress = memoryMapAddress
    self.memoryMapEntryCount = Int(memoryMapEntryCount)
  }

  /// The memory that the structure and its lists occupy, one range each; some may be empty.
  public func forEachOccupiedRange(_ body: (PhysicalRange) -> Void) {
    body(PhysicalRange(start: address, byteCount: Self.byteCount))
    body(
      PhysicalRange(
        start: moduleListAddress, byteCount: UInt64(moduleCount) * Self.moduleEntryByteCount))
    body(
      PhysicalRange(
        start: memoryMapAddress,
        byteCount: UInt64(memoryMapEntryCount) * Self.memoryMapEntryByteCount))
  }

  /// The module with the given index, below `moduleCount`.
  public func module(
    _ index: Int, in memory: some PhysicalMemoryReader
  ) throws(StartInfoError) -> Module {
    guard index >= 0, index < moduleCount else { throw .noSuchEntry(.module, index: index) }
    let offset = UInt64(index) * Self.moduleEntryByteCount
    let fields = StructureReader(memory, at: moduleListAddress)
    guard
      let start = fields.load(UInt64.self, at: offset),
      let byteCount = fields.load(UInt64.self, at: offset + 8),
      let commandLineAddress = fields.load(UInt64.self, at: offset + 16)
    else { throw .unreadable(.module, address: moduleListAddress &+ offset) }
    return Module(
      range: PhysicalRange(start: start, byteCount: byteCount),
      commandLineAddress: commandLineAddress)
  }

  /// The entry of the memory map with the given index, below `memoryMapEntryCount`.
  public func memoryMapEntry(
    _ index: Int, in memory: some PhysicalMemoryReader
  ) throws(StartInfoError) -> MemoryMapEntry {
    guard index >= 0, index < memoryMapEntryCount else {
      throw .noSuchEntry(.memoryMapEntry, index: index)
    }
    let offset = UInt64(index) * Self.memoryMapEntryByteCount
    let fields = StructureReader(memory, at: memoryMapAddress)
    guard
      let start = fields.load(UInt64.self, at: offset),
      let byteCount = fields.load(UInt64.self, at: offset + 8),
      let type = fields.load(UInt32.self, at: offset + 16)
    else { throw .unreadable(.memoryMapEntry, address: memoryMapAddress &+ offset) }
    return MemoryMapEntry(
      range: PhysicalRange(start: start, byteCount: byteCount),
      kind: MemoryMap.Kind(firmwareType: type))
  }
}
