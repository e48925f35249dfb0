import ELF

/// Code that a kernel exchanges while it runs, and places to which it goes on after a fault: paths
/// that no instruction of the image shows.
///
/// Known are four tables of Linux, whose offsets count from the field that holds them (Linux,
/// arch/x86/include/asm/alternative.h, extable.h, and bug.h, and include/linux/jump_label.h):
/// `.altinstructions`, code that replaces other code on some CPUs; `__ex_table`, where code goes on
/// whose access to memory faults; `__jump_table`, branches that are switched on and off;
/// `__bug_table`, invalid instructions of which some only warn, and are then skipped.
struct CodePatches: Sendable {
  private var successors: [UInt64: [UInt64]] = [:]
  private var continuations: [UInt64: UInt64] = [:]

  /// Reads the tables that the image has; one whose layout is not known is an error, because code
  /// would be left out.
  init(_ file: ELFFile, isCode: (UInt64) -> Bool) throws(CheckFailure) {
    if let table = Table(file, ".altinstructions") {
      // The size of an entry has changed with versions of Linux: what follows the two offsets are
      // a feature number, a length to replace, a length of the replacement, in some a padding.
      guard
        let layout = [(size: 12, lengths: 10), (14, 12), (13, 10)].first(where: { layout in
          table.count(layout.size) != nil
            && table.entries(layout.size).allSatisfy {
              isCode($0.offset(0)) && $0.byte(layout.lengths) > 0
            }
        })
      else { throw Self.unknownLayout(file, ".altinstructions") }
      for entry in table.entries(layout.size) {
        let end = entry.offset(0) &+ UInt64(entry.byte(layout.lengths))
        let length = UInt64(entry.byte(layout.lengths + 1))
        let replacement = entry.offset(4)
        if length == 0 {
          // The code is replaced by instructions that do nothing.
          successors[entry.offset(0), default: []].append(end)
        } else {
          successors[entry.offset(0), default: []].append(replacement)
          continuations[replacement &+ length] = end
        }
      }
    }
    try addBranches(file, "__ex_table", size: 12, isCode)
    try addBranches(file, "__jump_table", size: 16, isCode)
    addWarnings(file)
  }

  /// A table whose entries begin with where code is and where it may go on.
  private mutating func addBranches(
    _ file: ELFFile, _ name: String, size: Int, _ isCode: (UInt64) -> Bool
  ) throws(CheckFailure) {
    guard let table = Table(file, name) else { return }
    guard table.count(size) != nil,
      table.entries(size).allSatisfy({ isCode($0.offset(0)) && isCode($0.offset(4)) })
    else { throw Self.unknownLayout(file, name) }
    for entry in table.entries(size) {
      successors[entry.offset(0), default: []].append(entry.offset(4))
    }
  }

  /// Entries of 12 bytes: where the instruction is, a file, a line and flags, whose bit 0 says that
  /// it is a warning.
  private mutating func addWarnings(_ file: ELFFile) {
    guard let table = Table(file, "__bug_table"), table.count(12) != nil else { return }
    let length: UInt64 = file.architecture == .aarch64 ? 4 : 2
    for entry in table.entries(12) where entry.byte(10) & 1 != 0 {
      successors[entry.offset(0), default: []].append(entry.offset(0) &+ length)
    }
  }

  private static func unknownLayout(_ file: ELFFile, _ name: String) -> CheckFailure {
    .notAnalysable(
      "\(file.path) has a table \(name) of a layout that is not known, so paths would be left out")
  }

  /// Where code may go on instead of executing the instruction at an address.
  @inline(__always)
  func successors(of address: UInt64) -> [UInt64] {
    successors.isEmpty ? [] : successors[address] ?? []
  }

  /// Where code goes on that ends at an address, in front of other code.
  @inline(__always)
  func continuation(after end: UInt64) -> UInt64? {
    continuations.isEmpty ? nil : continuations[end]
  }

  /// The bytes of a table.
  private struct Table {
    var address: UInt64
    var bytes: [UInt8]

    init?(_ file: ELFFile, _ name: String) {
      guard let section = file.section(named: name), section.isAllocated else { return nil }
      address = section.address
      bytes = file.withBytes(of: section) { Array($0) }
    }

    /// How many entries there are, if the size fits.
    func count(_ size: Int) -> Int? { bytes.count % size == 0 ? bytes.count / size : nil }

    func entries(_ size: Int) -> some Sequence<Entry> {
      stride(from: 0, to: bytes.count / size * size, by: size).lazy.map {
        Entry(table: self, start: $0)
      }
    }
  }

  private struct Entry {
    var table: Table
    var start: Int

    /// The address that a field of four bytes tells by its distance.
    func offset(_ field: Int) -> UInt64 {
      var number: UInt32 = 0
      for index in (0..<4).reversed() {
        number = number << 8 | UInt32(table.bytes[start + field + index])
      }
      let distance = Int64(Int32(bitPattern: number))
      return table.address &+ UInt64(start + field) &+ UInt64(bitPattern: distance)
    }

    func byte(_ field: Int) -> UInt8 { table.bytes[start + field] }
  }
}
