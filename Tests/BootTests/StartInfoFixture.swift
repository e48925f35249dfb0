import TestSupport

/// Builds a start info with its lists, as a loader leaves them in memory.
struct StartInfoFixture {
  var magic: UInt32 = 0x336e_c578
  var version: UInt32 = 1
  var moduleCount: UInt32?
  var memoryMapEntryCount: UInt32?
  var modules: [(address: UInt64, size: UInt64)] = []
  var memoryMap: [(address: UInt64, size: UInt64, type: UInt32)] = []
  var commandLine: UInt64 = 0
  var rsdp: UInt64 = 0

  static let address: UInt64 = 0x6000
  static let moduleList: UInt64 = 0x6040
  static let memoryMapList: UInt64 = 0x7000

  /// The layout that Firecracker and Cloud Hypervisor use.
  var memory: FixtureMemory {
    var info: [UInt8] = []
    info.append(little: magic)
    info.append(little: version)
    info.append(little: UInt32(0))
    info.append(little: moduleCount ?? UInt32(modules.count))
    info.append(little: modules.isEmpty ? UInt64(0) : Self.moduleList)
    info.append(little: commandLine)
    info.append(little: rsdp)
    if version > 0 {
      info.append(little: Self.memoryMapList)
      info.append(little: memoryMapEntryCount ?? UInt32(memoryMap.count))
      info.append(little: UInt32(0))
    }
    var list: [UInt8] = []
    for module in modules {
      list.append(little: module.address)
      list.append(little: module.size)
      list.append(little: UInt64(0))
      list.append(little: UInt64(0))
    }
    var entries: [UInt8] = []
    for entry in memoryMap {
      entries.append(little: entry.address)
      entries.append(little: entry.size)
      entries.append(little: entry.type)
      entries.append(little: UInt32(0))
    }
    var memory = FixtureMemory()
    memory.place(info, at: Self.address)
    memory.place(list, at: Self.moduleList)
    memory.place(entries, at: Self.memoryMapList)
    return memory
  }
}
