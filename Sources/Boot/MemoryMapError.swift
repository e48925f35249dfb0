/// Why there is no usable memory map.
///
/// `write(to:)` needs no heap.
public enum MemoryMapError: Error, Equatable, Sendable {
  /// An entry of the start info's memory map cannot be read.
  case startInfo(StartInfoError)
  /// The memory falls into more ranges than a map can hold.
  case tooManyRegions
  /// No entry of the memory map is usable.
  case noUsableMemory
}

extension MemoryMapError: TextOutputStreamable, CustomStringConvertible {
  /// Writes the message: one line that says what is wrong and what to do.
  public func write<Target: TextOutputStream>(to target: inout Target) {
    switch self {
    case .startInfo(let error):
      error.write(to: &target)
    case .tooManyRegions:
      target.write("the memory falls into more than ")
      target.writeDecimal(UInt64(MemoryMap.capacity))
      target.write(" ranges; use a machine with a simpler memory map")
    case .noUsableMemory:
      target.write("the memory map has no usable memory; give the machine some")
    }
  }

  /// The message as a string; takes memory from the heap.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }
}
