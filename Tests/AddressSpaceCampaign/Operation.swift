import Boot
import Machine
import VirtualMemory

/// One operation on an address space, made of 8 bytes that may be anything. Tests keep such bytes: what
/// they mean must not change.
struct Operation {
  enum Kind: CaseIterable {
    case map, replace, unmap, protect, discard
    case mapAnywhere, mapFile, mapDevice, populate, willNeed, largePages, smallPages, reclaim
    case read, write, execute
    case query, list
    case activate, deactivate
    case limitMemory, freeMemory
  }

  static let byteCount = 8

  let kind: Kind
  let cpu: Int
  let start: UInt64
  let byteCount: UInt64
  let permissions: PagePermissions
  let areaKind: AreaKind
  let options: MapOptions
  let alignment: UInt64
  let value: UInt64

  /// Where ranges begin and end most often: at borders of what one entry of some level covers.
  private static let anchors: [UInt64] = [
    LockstepMachine.lowest, LockstepMachine.lowest, LockstepMachine.lowest,
    LockstepMachine.lowest + 2 << 20, LockstepMachine.lowest + 4 << 20,
    LockstepMachine.lowest + 1 << 30, LockstepMachine.lowest + 1 << 30 - 2 << 20,
    LockstepMachine.lowest + 2 << 30, LockstepMachine.lowest + 1 << 39,
    LockstepMachine.lowest + 1 << 39 - 1 << 30, LockstepMachine.limit,
    LockstepMachine.limit - 2 << 20, LockstepMachine.lowest + 5 << 30 + 6 << 20,
    LockstepMachine.lowest + 2 << 20, LockstepMachine.lowest + 3 << 21, 0,
  ]

  private static let kinds: [AreaKind] = [
    .anonymous, .anonymous, AreaKind(.anonymous, named: "heap"), AreaKind(.stack, named: "main"),
    AreaKind(.guard), AreaKind(.anonymous, named: "other"), .anonymous, .anonymous,
  ]

  /// How often each kind comes, in 128.
  private static let weights: [(Kind, Int)] = [
    (.map, 14), (.replace, 6), (.unmap, 14), (.protect, 12), (.discard, 8), (.mapAnywhere, 6),
    (.mapFile, 5), (.mapDevice, 1),
    (.populate, 4), (.willNeed, 1), (.largePages, 3), (.smallPages, 1), (.reclaim, 1),
    (.read, 12), (.write, 24), (.execute, 3), (.query, 3), (.list, 1), (.activate, 3),
    (.deactivate, 1), (.limitMemory, 3), (.freeMemory, 2),
  ]

  private static let kindOfNumber: [Kind] = weights.flatMap { kind, count in
    [Kind](repeating: kind, count: count)
  }

  /// Files: at a page's border and not, smaller and larger than a page.
  private static let files: [PhysicalRange] = {
    let start = LockstepMachine.contents.start.rawValue
    return [
      PhysicalRange(start: start, byteCount: 3 * 4096 + 100),
      PhysicalRange(start: start + 4 * 4096 + 104, byteCount: 2 * 4096),
      PhysicalRange(start: start + 8 * 4096, byteCount: 10),
      PhysicalRange(start: start + 9 * 4096, byteCount: 7 * 4096),
      PhysicalRange(start: start + 20 * 4096, byteCount: 100 * 4096 - 3),
      PhysicalRange(start: start + 200 * 4096, byteCount: 0),
    ]
  }()

  /// Devices: a few pages, a large one and more, and what is none.
  private static let devices: [PhysicalRange] = {
    let start = LockstepMachine.contents.start.rawValue + 2 << 20
    return [
      PhysicalRange(start: start, byteCount: 2 * 4096),
      PhysicalRange(start: start, byteCount: 2 << 20),
      PhysicalRange(start: start - 4096, byteCount: 4096 + 1 << 20),
      PhysicalRange(start: LockstepMachine.contents.start.rawValue - 4096, byteCount: 8192),
      PhysicalRange(start: start + 100, byteCount: 4096),
    ]
  }()

  var file: PhysicalRange { Self.files[Int(value) % Self.files.count] }
  var device: PhysicalRange { Self.devices[Int(value) % Self.devices.count] }

  init(_ bytes: some RandomAccessCollection<UInt8>) {
    func byte(_ index: Int) -> UInt8 { bytes[bytes.index(bytes.startIndex, offsetBy: index)] }
    kind = Self.kindOfNumber[Int(byte(0) & 127)]
    cpu = Int(byte(1)) % LockstepMachine.cpuCount
    let anchor = Self.anchors[Int(byte(2) & 15)]
    // Mostly a few pages in front or behind, seldom not at the border of a page.
    let offset = Int64(Int8(bitPattern: byte(3)))
    let pages = byte(2) & 0x80 != 0 ? offset : offset / 16
    var start = anchor &+ UInt64(bitPattern: pages &* 4096)
    if byte(2) & 0x7F == 0x70 { start &+= 8 }
    self.start = start
    let span: UInt64 =
      switch byte(4) {
      case 0: 0
      case 1: 4097
      case 2: .max & ~4095
      case 3..<100: UInt64(byte(4) & 7 + 1) * 4096
      case 100..<160: UInt64(byte(4)) * 4096
      case 160..<200: 2 << 20
      case 200..<215: 2 << 20 + 4096
      case 215..<225: 4 << 20
      case 225..<235: 1 << 30
      case 235..<245: 1 << 30 + 2 << 20
      case 245..<250: 1 << 39
      default: LockstepMachine.limit - LockstepMachine.lowest
      }
    byteCount = span
    permissions =
      switch byte(5) & 15 {
      case 0..<8: .write
      case 8..<11: []
      case 11: .execute
      case 12: [.write, .execute]
      case 13: .inaccessible
      case 14: [.inaccessible, .write]
      default: [.execute]
      }
    areaKind = Self.kinds[Int(byte(6) & 7)]
    var options: MapOptions = []
    if byte(6) & 0x70 == 0x10 { options.insert(.populate) }
    if byte(6) & 0x70 == 0x20 { options.insert(.largePages) }
    if byte(6) & 0x80 != 0 { options.insert(.smallPages) }
    if byte(5) & 0x30 == 0x30 { options.insert(.allowsWriteAndExecute) }
    self.options = options
    alignment =
      switch byte(7) {
      case 0: 0
      case 1: 4096 * 3
      case 2: 2048
      case 3..<64: 2 << 20
      case 64..<80: 1 << 30
      case 80..<90: 1 << 20
      default: 4096
      }
    value = UInt64(byte(7)) + 1
  }
}

extension Operation: CustomStringConvertible {
  var description: String {
    func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
    let range = "\(hexadecimal(start)) + \(hexadecimal(byteCount))"
    return switch kind {
    case .map, .replace:
      "CPU \(cpu): \(kind) \(range) permissions \(permissions.rawValue) \(areaKind) \(options.rawValue)"
    case .mapAnywhere:
      "CPU \(cpu): map \(range) or elsewhere, to \(alignment), permissions "
        + "\(permissions.rawValue) \(areaKind) \(options.rawValue)"
    case .mapFile:
      "CPU \(cpu): map file \(file) permissions \(permissions.rawValue) \(options.rawValue)"
    case .mapDevice: "CPU \(cpu): map device \(device)"
    case .protect: "CPU \(cpu): protect \(range) permissions \(permissions.rawValue)"
    case .unmap, .discard, .populate, .willNeed, .largePages, .smallPages:
      "CPU \(cpu): \(kind) \(range)"
    case .read, .execute, .query: "CPU \(cpu): \(kind) \(hexadecimal(start))"
    case .write: "CPU \(cpu): write \(value) to \(hexadecimal(start))"
    case .list, .activate, .deactivate, .freeMemory, .reclaim: "CPU \(cpu): \(kind)"
    case .limitMemory: "leave \(value / 16) frames"
    }
  }
}
