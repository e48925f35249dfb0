import Boot
import Machine
import PhysicalMemory

/// Pages of areas that show physical memory which is there already: a device's, or a file's.
extension AreaKind.Backing {
  /// The page to put in place of a promise at `address` and `level` where that is the very memory to be
  /// shown: of a device always, of a file if it begins at the border of a page and fills it. `nil` where
  /// smaller pages have to be used, or a copy.
  func directPage(
    of promise: PageTableEntry, at address: UInt64, level: Int
  ) -> PageTableEntry? {
    guard let contents, level <= PageTableFormat.largestPageLevel,
      level == 0 || promise.isWhollyReserved
    else { return nil }
    let span = PageTableFormat.span(level: level)
    let page = address & ~(span &- 1)
    let offset = page &- contents.address
    let physical = contents.start &+ offset
    guard page >= contents.address, offset < contents.byteCount,
      contents.byteCount &- offset >= span, physical & (span &- 1) == 0
    else { return nil }
    if case .file = self {
      if level > 0 { return nil }
      return PageTableEntry(
        page: physical, promise.allowed, level: 0, area: promise.area, isForeign: true,
        isCopiedOnWrite: true)
    }
    return PageTableEntry(
      page: physical, promise.allowed, level: level, area: promise.area, isForeign: true)
  }

  /// Makes a frame show what is to be seen in the page at an address, with zeroes behind the end.
  func fill(_ frame: UInt64, at address: UInt64) {
    guard let contents, let copy = PhysicalMemoryWindow.pointer(to: frame) else { return }
    let span = PageTableFormat.span(level: 0)
    let offset = (address & ~(span &- 1)) &- contents.address
    let count = offset < contents.byteCount ? Swift.min(contents.byteCount &- offset, span) : 0
    if count > 0, let bytes = PhysicalMemoryWindow.pointer(to: contents.start &+ offset) {
      copy.copyMemory(from: bytes, byteCount: Int(count))
    }
    PhysicalMemoryWindow.zero(frame &+ count, byteCount: Int(span &- count))
  }
}

extension PageFault {
  /// Puts a page of an area with contents in place of a promise, or a table in place of a large promise.
  /// Returns the page if it is there.
  @inline(never)
  static func installContents(
    _ backing: AreaKind.Backing, at slot: TableSlot, _ promise: PageTableEntry, level: Int,
    _ address: UInt64, of root: TablePage
  ) throws(FrameAllocatorError) -> PageTableEntry? {
    if let page = backing.directPage(of: promise, at: address, level: level) {
      return slot.replace(promise, by: page) ? page : nil
    }
    if level > 0 {
      try installTable(at: slot, promise, level: level, of: root)
      return nil
    }
    let frame = try root.frames.pointee.allocate()
    backing.fill(frame.rawValue, at: address)
    let page = PageTableEntry(
      page: frame.rawValue, promise.allowed, level: 0, area: promise.area, isForeign: false)
    if slot.replace(promise, by: page) { return page }
    root.frames.pointee.free(frame)
    return nil
  }
}
