import Boot
import Machine
import PhysicalMemory

/// An access that the page tables did not allow when it was tried.
public struct PageFault: Sendable {
  /// What was tried.
  public enum Access: Sendable { case read, write, execute }

  /// Where it was tried.
  public let address: UInt64
  /// What was tried.
  public let access: Access

  /// An access of this kind, at this address.
  public init(at address: UInt64, _ access: Access) {
    self.address = address
    self.access = access
  }

  /// What became of it.
  public enum Outcome: Equatable, Sendable {
    /// The access may be tried again.
    case resolved
    /// Nothing is mapped there.
    case unmapped
    /// What is mapped there may not be used in this way.
    case forbidden
    /// There is no memory for the page, or for a table on the way to it.
    case outOfMemory
    /// A range operation is changing it: to be tried again when others had their turn.
    case busy
    /// The page must be copied before it is written: to be done outside of the epoch section.
    case needsCopy
  }

  /// Whether pages with these permissions allow the access.
  @inline(__always)
  func isAllowed(_ permissions: PagePermissions) -> Bool {
    if permissions.contains(.inaccessible) { return false }
    switch access {
    case .read: return true
    case .write: return permissions.contains(.write)
    case .execute: return permissions.contains(.execute)
    }
  }

  /// Does what `resolve` does in the most frequent case: a page of memory without a name that is promised
  /// by itself, in tables that are there. Returns whether the access may be tried again; if not, it is as if
  /// nobody had tried. In an epoch section.
  @inline(__always)
  func resolveQuickly(in root: TablePage, for own: PrivateTables) -> Bool {
    var entry = root[PageTableFormat.index(of: address, level: 3)].load()
    guard entry.isTable(level: 3) else { return false }
    entry = root.child(entry)[PageTableFormat.index(of: address, level: 2)].load()
    guard entry.isTable(level: 2) else { return false }
    entry = root.child(entry)[PageTableFormat.index(of: address, level: 1)].load()
    guard entry.isTable(level: 1) else { return false }
    let slot = root.child(entry)[PageTableFormat.index(of: address, level: 0)]
    entry = slot.load()
    guard entry.isReserved, entry.area == 0, isAllowed(entry.allowed),
      let frame = try? root.frames.pointee.allocateZeroed()
    else { return false }
    let page = PageTableEntry(
      page: frame.rawValue, entry.allowed, level: 0, area: 0, isForeign: false)
    guard slot.replace(entry, by: page) else {
      root.frames.pointee.free(frame)
      return false
    }
    if own.leadsToCommonTables(address) { return true }
    return (try? own.fill(address, page, at: slot, level: 0, of: root)) ?? false
  }

  /// Turns the promise at the address into a page, if there is one. No lock is taken: the new page
  /// takes its place by a compare-and-swap, and the loser of a race gives its page back.
  ///
  /// In an epoch section, with preemption off: no table is freed while it is walked.
  ///
  /// - Parameters:
  ///   - root: the root of the tree that all CPUs share.
  ///   - own: what this CPU has for itself.
  ///   - kinds: what the numbers of areas in the entries say.
  func resolve(
    in root: TablePage, for own: PrivateTables, kinds: borrowing AreaKinds
  ) -> Outcome {
    var table = root
    var level = PageTableFormat.rootLevel
    while true {
      let slot = table[PageTableFormat.index(of: address, level: level)]
      let entry = slot.load()
      if entry.isTable(level: level) {
        table = table.child(entry)
        level -= 1
      } else if entry.isReserved {
        if level > 0 && !entry.isWhollyReserved {
          let part = PageTableFormat.index(of: address, level: level - 1)
          if part < entry.firstReserved || part > entry.lastReserved { return .unmapped }
        }
        guard isAllowed(entry.allowed) else { return .forbidden }
        do throws(FrameAllocatorError) {
          if let backing = kinds.backing(of: entry.area) {
            if let page = try Self.installContents(
              backing, at: slot, entry, level: level, address, of: root),
              try own.fill(address, page, at: slot, level: level, of: root)
            {
              return .resolved
            }
          } else if level > 0 {
            if entry.isLargePagePromise(level: level),
              let page = Self.installLargePage(at: slot, entry, level: level, of: root.frames)
            {
              if try own.fill(address, page, at: slot, level: level, of: root) { return .resolved }
            } else {
              try Self.installTable(at: slot, entry, level: level, of: root)
            }
          } else if let page = try Self.installPage(at: slot, entry, of: root.frames),
            try own.fill(address, page, at: slot, level: level, of: root)
          {
            return .resolved
          }
        } catch {
          return .outOfMemory
        }
      } else if entry.isPresent {
        guard isAllowed(entry.allowed) else { return .forbidden }
        if access == .write && entry.isCopiedOnWrite { return .needsCopy }
        do throws(FrameAllocatorError) {
          guard try own.fill(address, entry, at: slot, level: level, of: root) else { continue }
        } catch {
          return .outOfMemory
        }
        // Somebody else was faster, or this CPU remembers fewer permissions than there are.
        AddressTranslation.forget(address)
        return .resolved
      } else if entry.isDetached {
        table = root
        level = PageTableFormat.rootLevel
      } else if entry.isChanging {
        return .busy
      } else {
        return entry.isWithheld ? .forbidden : .unmapped
      }
    }
  }

  private static func installPage(
    at slot: TableSlot, _ promise: PageTableEntry, of frames: UnsafePointer<FrameAllocator>
  ) throws(FrameAllocatorError) -> PageTableEntry? {
    let frame = try frames.pointee.allocateZeroed()
    let page = PageTableEntry(
      page: frame.rawValue, promise.allowed, level: 0, area: promise.area, isForeign: false)
    if slot.replace(promise, by: page) { return page }
    frames.pointee.free(frame)
    return nil
  }

  /// Returns the page; `nil` if there is none, or another CPU changed the entry first.
  @inline(never)
  private static func installLargePage(
    at slot: TableSlot, _ promise: PageTableEntry, level: Int,
    of frames: UnsafePointer<FrameAllocator>
  ) -> PageTableEntry? {
    let count = 1 << (9 * level)
    guard let start = try? frames.pointee.allocateZeroed(count: count) else { return nil }
    let page = PageTableEntry(
      page: start.rawValue, promise.allowed, level: level, area: promise.area, isForeign: false)
    if slot.replace(promise, by: page) { return page }
    frames.pointee.free(start, count: count)
    return nil
  }

  @inline(never)
  static func installTable(
    at slot: TableSlot, _ promise: PageTableEntry, level: Int, of root: TablePage
  ) throws(FrameAllocatorError) {
    let table = try TablePage.allocate(level: level - 1, of: root)
    table.fill(splitting: promise, level: level, isHeld: false)
    if !slot.replace(promise, by: PageTableEntry(table: table.address)) { table.free() }
  }
}
