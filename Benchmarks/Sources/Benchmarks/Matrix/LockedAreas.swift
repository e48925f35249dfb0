import Boot
import Locking
import Machine
import PhysicalMemory

/// The design that Unikraft's working group for several CPUs meant to build in 2023, to be measured beside the
/// kernel's: a read-write lock over the list of areas, one lock around `map` so that no region is mapped
/// twice, and faults that hold the read lock. For comparison only: its tables are never loaded.
///
/// Better than the plan where that is open: the list is an array that is searched by halves, the lock spins and
/// is fair, a new range is looked for behind the last one first, and tables change by compare-and-swap. What
/// is left out, which is all in its favour: trap and return, the shootdown on other CPUs, names, kinds and
/// large pages.
struct LockedAreas: ~Copyable, Sendable {
  static let shared = LockedAreas()

  enum MapLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AdmissionLevel
    static var name: StaticString { "lockedAreasMapLock" }
  }

  enum ListLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AddressSpaceLevel
    static var name: StaticString { "lockedAreasList" }
  }

  private static let lowest: UInt64 = 1 << 46
  private static let limit: UInt64 = 1 << 47

  /// Where the last range was placed that has no address of its own; on a line with the lock around `map`.
  private let mapLock = SpinLock<MapLock, UInt64>(lowest)
  private let list = RWSpinLock<ListLock, AreaList>(AreaList())
  private let table = BaselinePageTable()

  /// Takes memory for the list and the root. Before other CPUs are here; more often than once does nothing.
  func initialize() {
    list.withWriteLock { $0.initialize() }
    table.initialize()
  }

  // MARK: Mapping

  /// Maps a range wherever there is room; returns where, or `nil` if there is none.
  func map(byteCount: UInt64, _ permissions: PagePermissions) -> UInt64? {
    mapLock.withLockNesting { cursor, held in
      let hint = cursor
      let start = list.withReadLock(inside: held) { areas in
        areas.isFree(from: hint, to: hint + byteCount)
          ? hint : areas.firstFree(byteCount, from: Self.lowest, to: Self.limit)
      }
      guard let start else { return nil }
      cursor = start + byteCount
      return list.withWriteLock(inside: held) { areas in
        areas.insert(Area(start: start, end: start + byteCount, permissions: permissions))
          ? start : nil
      }
    }
  }

  /// Maps a range at an address; returns whether it was free.
  func map(at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions) -> Bool {
    mapLock.withLockNesting { _, held in
      let isFree = list.withReadLock(inside: held) { $0.isFree(from: start, to: start + byteCount) }
      if !isFree { return false }
      return list.withWriteLock(inside: held) {
        $0.insert(Area(start: start, end: start + byteCount, permissions: permissions))
      }
    }
  }

  /// Takes a range out and frees its pages.
  func unmap(at start: UInt64, byteCount: UInt64) {
    list.withWriteLock { areas in
      if areas.remove(from: start, to: start + byteCount) {
        table.remove(from: start, to: start + byteCount)
      }
    }
  }

  /// Gives a range other permissions.
  func protect(at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions) {
    list.withWriteLock { areas in
      if areas.protect(from: start, to: start + byteCount, permissions) {
        table.protect(from: start, to: start + byteCount, permissions)
      }
    }
  }

  /// What may be done with a page; `nil` if it is not mapped.
  func permissions(of address: UInt64) -> PagePermissions? {
    list.withReadLock { $0.area(at: address)?.permissions }
  }

  // MARK: Faults

  /// What the handler of a fault does; returns whether the access may be tried again. The lock is held to the
  /// end, or the area could be unmapped meanwhile.
  func handleFault(at address: UInt64, isWrite: Bool) -> Bool {
    list.withReadLock { areas in
      guard let area = areas.area(at: address), !isWrite || area.permissions.contains(.write),
        let frame = try? FrameAllocator.shared.allocateZeroed()
      else { return false }
      switch table.install(frame.rawValue, area.permissions, at: address) {
      case .installed: return true
      case .isThere:
        FrameAllocator.shared.free(frame)
        return true
      case .noMemory:
        FrameAllocator.shared.free(frame)
        return false
      }
    }
  }
}
