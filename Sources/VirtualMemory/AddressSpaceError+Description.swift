extension AddressSpaceError: CustomStringConvertible {
  /// What is wrong, and what to do about it, in one line.
  public var description: String {
    switch self {
    case .empty: "the range has no bytes"
    case .notPageAligned(let start, let byteCount):
      "the range of \(byteCount) bytes at \(hex(start)) does not begin and end at page borders: multiples of 4096"
    case .badAlignment(let alignment):
      "the alignment \(hex(alignment)) is no power of two from 4096 to 512 GiB"
    case .outOfBounds(let start, let byteCount, let lowest, let limit):
      "the range of \(byteCount) bytes at \(hex(start)) is not within \(hex(lowest))..<\(hex(limit))"
    case .writableAndExecutable:
      "a page is to be written and executed: leave one out, or allow it by allowsWriteAndExecute"
    case .occupied(let end):
      "something is mapped in the range, up to \(hex(end)): have it replaced, or go on from there"
    case .notMapped(let address): "nothing is mapped at \(hex(address)): map it first"
    case .inaccessible(let address):
      "nobody may access the page at \(hex(address)): give it other permissions first"
    case .noAddresses(let byteCount): "\(byteCount) free addresses in a row are not left"
    case .outOfMemory: "there is no memory for the pages, or for page tables"
    case .tooManyKinds: "there are 2047 kinds of areas already, and all are in use"
    case .isMemory(let start, let byteCount):
      "the \(byteCount) bytes at \(hex(start)) are memory that the machine hands out"
    }
  }

  private func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
}
