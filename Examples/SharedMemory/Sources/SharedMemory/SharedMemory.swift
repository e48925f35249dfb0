import Apus

/// Memory that several CPUs use at the same addresses: what it costs to share it, to protect it and to take
/// it away, in messages from CPU to CPU.
@main struct SharedMemory {
  static func main() {
    let scheme = AddressSpace.shared.scheme == .perCPU ? "tables of its own" : "the same tables"
    Console.write("\(CPUSet.online.count) CPUs, each with \(scheme)\n\n")
    Console.write("what happens                              ")
    Console.write("pages   told  spared  forgotten  all\n")
    do throws(AddressSpaceError) {
      try run()
    } catch {
      Console.error("an operation on a range of addresses fails")
      exit(1)
    }
  }

  private static let pageSize: UInt64 = 4096
  private static let pageCount: UInt64 = 16

  private static func run() throws(AddressSpaceError) {
    let space = MemoryCounters()
    let byteCount = pageCount * pageSize

    // A promise: no memory yet.
    let own = try AddressSpace.shared.map(
      byteCount: byteCount, .write, as: AreaKind(.anonymous, named: "own"))
    space.report("16 pages are promised", own)
    // The first access to a page is a fault, which gets it.
    touch(own)
    space.report("CPU \(CPU.current.index) writes to them", own)
    try AddressSpace.shared.protect(at: own, byteCount: byteCount, [])
    space.report("it makes them read-only", own)
    try AddressSpace.shared.unmap(at: own, byteCount: byteCount)
    space.report("it takes them away", own)

    let common = try AddressSpace.shared.map(
      byteCount: byteCount, .write, as: AreaKind(.anonymous, named: "common"))
    CPUSet.online.run { _ in touch(common) }
    space.report("all CPUs write to 16 other pages", common)
    try AddressSpace.shared.protect(at: common, byteCount: pageSize, [])
    space.report("one makes one page read-only", common)
    try AddressSpace.shared.discard(at: common, byteCount: byteCount)
    space.report("one gives the pages back", common)
    try AddressSpace.shared.unmap(at: common, byteCount: byteCount)
    space.report("one takes the addresses away", common)

    let large = try AddressSpace.shared.map(byteCount: 1 << 20, .write, options: .populate)
    CPUSet.online.run { _ in touch(large) }
    space.report("1 MiB at once, and 16 pages of it used", large)
    try AddressSpace.shared.unmap(at: large, byteCount: 1 << 20)
    space.report("all of it goes", large)
  }

  /// Writes a word of each page.
  private static func touch(_ start: UInt64) {
    for page in 0..<pageCount {
      UnsafeMutablePointer<UInt64>(bitPattern: UInt(start + page * pageSize))?.pointee = page
    }
  }
}

/// What the CPUs have counted since the last line.
final class MemoryCounters {
  private var last = MemoryCounters.sum

  /// Messages sent, messages that were not necessary, pages forgotten one by one, and how often everything
  /// was, on all CPUs together.
  private static var sum: (told: Int, spared: Int, pages: Int, all: Int) {
    var sum = (told: 0, spared: 0, pages: 0, all: 0)
    for cpu in CPUSet.online {
      let counts = AddressSpace.shared.shootdownCounts(of: cpu)
      sum.told += counts.sent
      sum.spared += counts.avoided
      sum.pages += counts.pages
      sum.all += counts.fullFlushes
    }
    return sum
  }

  /// Writes a line: what happened, how many pages of the area at `address` are in memory, and the counters.
  func report(_ text: String, _ address: UInt64) {
    let now = Self.sum
    let pages = (AddressSpace.shared.area(at: address)?.residentByteCount ?? 0) / 4096
    var line = text
    while line.utf8.count < 42 { line += " " }
    for (value, width) in [
      (Int(pages), 5), (now.told - last.told, 7), (now.spared - last.spared, 8),
      (now.pages - last.pages, 11), (now.all - last.all, 5),
    ] {
      let number = "\(value)"
      for _ in number.utf8.count..<width { line += " " }
      line += number
    }
    Console.write(line + "\n")
    last = Self.sum
  }
}
