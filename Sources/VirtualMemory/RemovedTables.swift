import Locking
import Machine
import PhysicalMemory

/// The class of the lock around the list of removed tables.
enum RemovedTablesLock: LockClass {
  typealias Context = ThreadOnly
  typealias Level = AddressSpaceLevel
  static var name: StaticString { "removed page tables" }
}

/// Page tables that were taken out of an address space, until no CPU can be on its way through one.
///
/// A late fault may still read them, so the list is kept within the marks that tell it to start
/// again: the first entry of a table names the next table, the second one the epoch.
struct RemovedTables: ~Copyable, Sendable {
  /// Oldest first, by the tables' addresses; 0 is none.
  struct List {
    var oldest: UInt64 = 0
    var newest: UInt64 = 0
  }

  private let list = SpinLock<RemovedTablesLock, List>(List())
  /// How many there are: looked at without the lock.
  private let count = Atomic<Int>(0)

  /// Adds a table that no entry leads to, and that no CPU remembers. In an epoch section; with locks of
  /// tables held.
  func add(_ table: TablePage) {
    table[1].store(PageTableEntry(detachedWithNumber: Epoch.shared.stamp()))
    table[0].store(.detached)
    list.withLock { list in
      if list.newest == 0 {
        list.oldest = table.address
      } else {
        TablePage(list.newest, of: table.frames)[0].store(
          PageTableEntry(detachedWithNumber: table.address >> 12))
      }
      list.newest = table.address
    }
    count.wrappingAdd(1, ordering: .relaxed)
  }

  /// Frees those that nobody can be in any more. Outside of epoch sections.
  @inline(__always)
  func freeThosePassed(of frames: UnsafePointer<FrameAllocator>) {
    if count.load(ordering: .relaxed) > 0 { freeSome(of: frames) }
  }

  @inline(never)
  private func freeSome(of frames: UnsafePointer<FrameAllocator>) {
    Epoch.shared.tryAdvance()
    while let table = takeOldest(of: frames) { table.free() }
  }

  private func takeOldest(of frames: UnsafePointer<FrameAllocator>) -> TablePage? {
    list.withLock { list in
      guard list.oldest != 0 else { return nil }
      let table = TablePage(list.oldest, of: frames)
      guard Epoch.shared.hasPassed(table[1].load().detachedNumber) else { return nil }
      if list.oldest == list.newest {
        list.newest = 0
        list.oldest = 0
      } else {
        list.oldest = table[0].load().detachedNumber << 12
      }
      count.wrappingSubtract(1, ordering: .relaxed)
      return table
    }
  }

  /// Waits until all are free. With no lock held, outside of epoch sections.
  func freeAll(of frames: UnsafePointer<FrameAllocator>) {
    while count.load(ordering: .relaxed) > 0 {
      freeSome(of: frames)
      SpinWait.turn()
    }
  }
}
