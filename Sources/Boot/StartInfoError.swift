/// Why the start info of the virtual machine monitor cannot be used.
///
/// `write(to:)` needs no heap.
public enum StartInfoError: Error, Equatable, Sendable {
  /// A structure lies, wholly or in part, where nothing may be read.
  case unreadable(StartInfo.Part, address: UInt64)
  /// The magic number at the start is another one.
  case badMagic(UInt32, address: UInt64)
  /// The start info has version 0, which has no memory map.
  case noMemoryMapInVersion0
  /// The memory map has no entry.
  case emptyMemoryMap
  /// There are more entries of a kind than any monitor has reason to give.
  case absurdCount(StartInfo.Part, count: UInt64)
  /// The module or memory map entry with this index does not exist.
  case noSuchEntry(StartInfo.Part, index: Int)
}

extension StartInfoError: TextOutputStreamable, CustomStringConvertible {
  /// Writes the message: one line that says what is wrong and what to do.
  public func write<Target: TextOutputStream>(to target: inout Target) {
    switch self {
    case .unreadable(let part, let address):
      target.write("the PVH ")
      target.write(part.name)
      target.write(" at ")
      target.writeHexadecimal(address)
      target.write(" lies outside of readable memory; start the image with a PVH loader")
    case .badMagic(let magic, let address):
      target.write("no PVH start info at ")
      target.writeHexadecimal(address)
      target.write(": the magic number is ")
      target.writeHexadecimal(UInt64(magic))
      target.write("; start the image with a PVH loader")
    case .noMemoryMapInVersion0:
      target.write("the PVH start info has version 0, without a memory map;")
      target.write(" use a monitor that gives version 1 (QEMU 4.0 or later)")
    case .emptyMemoryMap:
      target.write("the PVH memory map has no entries; use another monitor or machine type")
    case .absurdCount(let part, let count):
      target.write("the PVH start info claims ")
      target.writeDecimal(count)
      target.write(" entries of kind ")
      target.write(part.name)
      target.write("; it is broken, use another monitor")
    case .noSuchEntry(let part, let index):
      target.write("there is no ")
      target.write(part.name)
      target.write(" with index ")
      target.writeDecimal(UInt64(max(0, index)))
      target.write("; ask for an index below the count")
    }
  }

  /// The message as a string; takes memory from the heap.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }
}
