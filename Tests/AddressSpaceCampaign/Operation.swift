import Machine
import VirtualMemory

/// One operation on an address space, made of 8 bytes that may be anything.
struct Operation {
  enum Kind: CaseIterable {
    case map, replace, unmap, protect, discard
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

  /// How often each kind comes, in 64.
  private static let weights: [(Kind, Int)] = [
    (.map, 10), (.replace, 3), (.unmap, 7), (.protect, 6), (.discard, 4), (.read, 8), (.write, 14),
    (.execute, 2), (.query, 2), (.list, 1), (.activate, 2), (.deactivate, 1), (.limitMemory, 2),
    (.freeMemory, 2),
  ]

  private static let kindOfNumber: [Kind] = weights.flatMap { kind, count in
    [Kind](repeating: kind, count: count)
  }

  init(_ bytes: some RandomAccessCollection<UInt8>) {
    func byte(_ index: Int) -> UInt8 { bytes[bytes.index(bytes.startIndex, offsetBy: index)] }
    kind = Self.kindOfNumber[Int(byte(0) & 63)]
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
      case 11, 12: .execute
      case 13: .inaccessible
      case 14: [.inaccessible, .write]
      default: [.execute]
      }
    areaKind = Self.kinds[Int(byte(6) & 7)]
    value = UInt64(byte(7)) + 1
  }
}

extension Operation: CustomStringConvertible {
  var description: String {
    func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
    let range = "\(hexadecimal(start)) + \(hexadecimal(byteCount))"
    return switch kind {
    case .map, .replace:
      "CPU \(cpu): \(kind) \(range) permissions \(permissions.rawValue) \(areaKind)"
    case .protect: "CPU \(cpu): protect \(range) permissions \(permissions.rawValue)"
    case .unmap, .discard: "CPU \(cpu): \(kind) \(range)"
    case .read, .execute, .query: "CPU \(cpu): \(kind) \(hexadecimal(start))"
    case .write: "CPU \(cpu): write \(value) to \(hexadecimal(start))"
    case .list, .activate, .deactivate, .freeMemory: "CPU \(cpu): \(kind)"
    case .limitMemory: "leave \(value / 16) frames"
    }
  }
}
