import TestSupport

/// Builders of the firmware's tables, with right checksums.
enum Tables {
  /// A Root System Description Pointer.
  static func rsdp(rsdt: UInt32 = 0, xsdt: UInt64 = 0, revision: UInt8 = 2) -> [UInt8] {
    var bytes = Array("RSD PTR ".utf8) + [0] + Array("APUSTE".utf8) + [revision]
    bytes.append(little: rsdt)
    bytes.fixChecksum(at: 8)
    guard revision >= 2 else { return bytes }
    bytes.append(little: UInt32(36))
    bytes.append(little: xsdt)
    bytes.append(contentsOf: [0, 0, 0, 0])
    bytes.fixChecksum(at: 32)
    return bytes
  }

  /// A table with the common header in front of `body`.
  static func table(_ signature: String, _ body: [UInt8]) -> [UInt8] {
    var bytes = Array(signature.utf8)
    bytes.append(little: UInt32(36 + body.count))
    bytes += [1, 0] + Array("APUSTEFIXTURES".utf8)
    bytes.append(little: UInt32(1))
    bytes += Array("TEST".utf8)
    bytes.append(little: UInt32(1))
    bytes += body
    bytes.fixChecksum(at: 9)
    return bytes
  }

  static func rsdt(_ addresses: [UInt32]) -> [UInt8] {
    var body: [UInt8] = []
    for address in addresses { body.append(little: address) }
    return table("RSDT", body)
  }

  static func xsdt(_ addresses: [UInt64]) -> [UInt8] {
    var body: [UInt8] = []
    for address in addresses { body.append(little: address) }
    return table("XSDT", body)
  }

  static func madt(
    _ entries: [[UInt8]], localAPIC: UInt32 = 0xFEE0_0000, flags: UInt32 = 1
  ) -> [UInt8] {
    var body: [UInt8] = []
    body.append(little: localAPIC)
    body.append(little: flags)
    return table("APIC", body + entries.flatMap { $0 })
  }

  static func localAPIC(_ id: UInt8, flags: UInt32 = 1) -> [UInt8] {
    var entry: [UInt8] = [0, 8, id, id]
    entry.append(little: flags)
    return entry
  }

  static func x2APIC(_ id: UInt32, flags: UInt32 = 1) -> [UInt8] {
    var entry: [UInt8] = [9, 16, 0, 0]
    entry.append(little: id)
    entry.append(little: flags)
    entry.append(little: id)
    return entry
  }

  static func ioAPIC(_ id: UInt8, address: UInt32, base: UInt32) -> [UInt8] {
    var entry: [UInt8] = [1, 12, id, 0]
    entry.append(little: address)
    entry.append(little: base)
    return entry
  }

  static func interruptOverride(_ source: UInt8, to interrupt: UInt32, flags: UInt16) -> [UInt8] {
    var entry: [UInt8] = [2, 10, 0, source]
    entry.append(little: interrupt)
    entry.append(little: flags)
    return entry
  }

  static func localAPICAddress(_ address: UInt64) -> [UInt8] {
    var entry: [UInt8] = [5, 12, 0, 0]
    entry.append(little: address)
    return entry
  }

  static let nonMaskableInterrupt: [UInt8] = [4, 6, 0xFF, 0, 0, 1]

  /// The floating pointer of the MP specification.
  static func mpFloatingPointer(
    table: UInt32, defaultConfiguration: UInt8 = 0, length: UInt8 = 1
  ) -> [UInt8] {
    var bytes = Array("_MP_".utf8)
    bytes.append(little: table)
    bytes += [length, 4, 0, defaultConfiguration, 0, 0, 0, 0]
    bytes.fixChecksum(at: 10)
    return bytes
  }

  /// The configuration table of the MP specification.
  static func mpTable(_ entries: [[UInt8]], count: UInt16? = nil) -> [UInt8] {
    let body = entries.flatMap { $0 }
    var bytes = Array("PCMP".utf8)
    bytes.append(little: UInt16(44 + body.count))
    bytes += [4, 0] + Array("APUSTESTFIXTURES    ".utf8)
    bytes.append(little: UInt32(0))
    bytes.append(little: UInt16(0))
    bytes.append(little: count ?? UInt16(entries.count))
    bytes.append(little: UInt32(0xFEE0_0000))
    bytes.append(little: UInt32(0))
    bytes += body
    bytes.fixChecksum(at: 7)
    return bytes
  }

  static func mpProcessor(_ id: UInt8, flags: UInt8 = 1) -> [UInt8] {
    [0, id, 0x14, flags] + [UInt8](repeating: 0, count: 16)
  }

  static let mpBus: [UInt8] = [1, 0] + Array("ISA   ".utf8)
  static let mpInterrupt: [UInt8] = [3, 0, 0, 0, 0, 1, 2, 1]
  static let mpLocalInterrupt: [UInt8] = [4, 3, 0, 0, 0, 0, 0xFF, 1]

  static func mpIOAPIC(_ id: UInt8, flags: UInt8 = 1) -> [UInt8] {
    var entry: [UInt8] = [2, id, 0x11, flags]
    entry.append(little: UInt32(0xFEC0_0000))
    return entry
  }
}

extension FixtureMemory {
  /// A machine with 1 MiB of zeroed memory that can be read.
  static var emptyMachine: FixtureMemory {
    var memory = FixtureMemory()
    memory.clear(0xA0000, at: 0)
    memory.clear(0x60000, at: 0xA0000)
    return memory
  }
}
