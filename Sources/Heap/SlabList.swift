import Locking
import Machine
import PhysicalMemory

/// Which pages of one block size have free blocks, and which blocks those are.
///
/// A page has no header, all of it is blocks. The record of its frame says the size, how many of
/// its blocks are free and in no magazine, and which is the first of them. The rest is in the free
/// blocks: each has the number of the next one of its page, and the first one of a page the places
/// of the page before and behind in the list. With the lock of the size.
struct SlabList {
  private let sizeClass: SizeClass
  private let blocksPerPage: Int
  /// Frame number of the first page with free blocks; 0 when there is none.
  private var first: UInt32 = 0
  /// Pages in the list whose blocks are all free.
  private(set) var emptyCount = 0

  /// So many empty pages are kept, for who comes next.
  private static let keptCount = 1

  init(_ sizeClass: SizeClass) {
    self.sizeClass = sizeClass
    blocksPerPage = sizeClass.blocksPerPage
  }

  /// What is in a free block; the first word is used differently in magazines.
  struct FreeBlock {
    /// In the first free block of a page: its neighbours in the list of pages.
    var previousPage: UInt32
    var nextPage: UInt32
    /// The next free block of the page, in units of 16 bytes from its beginning.
    var nextFree: UInt16

    init(previousPage: UInt32, nextPage: UInt32) {
      self.previousPage = previousPage
      self.nextPage = nextPage
      nextFree = 0
    }
  }

  /// What the record of a page says: its size, and its free blocks that are in no magazine; the first
  /// by its distance from the beginning in units of 16 bytes.
  struct Page {
    var sizeClass: SizeClass
    var freeCount: Int
    var firstFree: Int

    init(sizeClass: SizeClass, freeCount: Int, firstFree: Int) {
      self.sizeClass = sizeClass
      self.freeCount = freeCount
      self.firstFree = firstFree
    }

    /// From the value of a record, which has 5 bits of class and 9 for each of the numbers.
    @inline(__always)
    init(_ value: UInt32) {
      sizeClass = SizeClass(index: Int(truncatingIfNeeded: value & 31))
      freeCount = Int(truncatingIfNeeded: value &>> 5 & 511)
      firstFree = Int(truncatingIfNeeded: value &>> 14)
    }

    /// The class alone, from the record itself.
    @inline(__always)
    static func sizeClass(ofRecord record: UInt32) -> SizeClass {
      SizeClass(offset: Int(truncatingIfNeeded: record &>> 4 & 31 &<< 4))
    }

    @inline(__always)
    var value: UInt32 {
      UInt32(truncatingIfNeeded: sizeClass.index | freeCount &<< 5 | firstFree &<< 14)
    }
  }

  /// Takes up to `limit` free blocks into an empty magazine.
  mutating func take(
    _ limit: Int, into magazine: inout Magazine, _ frames: UnsafePointer<FrameAllocator>
  ) {
    var missing = limit
    while missing > 0, first != 0 {
      let number = Int(first)
      var page = Page(frames.pointee.heldValue(number))
      let links = block(page.firstFree, of: number).pointee
      if page.freeCount == blocksPerPage { emptyCount &-= 1 }
      let count = Swift.min(page.freeCount, missing)
      for _ in 0..<count {
        let block = block(page.firstFree, of: number)
        page.firstFree = Int(block.pointee.nextFree)
        UnsafeMutableRawPointer(block).storeBytes(of: magazine.head, as: UInt.self)
        magazine.head = UInt(bitPattern: block)
      }
      missing &-= count
      magazine.room &-= count
      page.freeCount &-= count
      if page.freeCount > 0 {
        setLinks(previous: 0, next: links.nextPage, of: number, page)
      } else {
        first = links.nextPage
        if first != 0 { setPrevious(0, of: first, frames) }
      }
      frames.pointee.setHeldValue(page.value, number)
    }
  }

  /// Puts the blocks of a list through first words back into their pages. Pages that become empty
  /// beyond those that are kept are taken out; returns the list of them, through first words.
  mutating func give(
    _ list: UInt, emptiesKept: Int = keptCount, _ frames: UnsafePointer<FrameAllocator>
  ) -> UInt {
    var list = list
    var empties: UInt = 0
    while list != 0 {
      // All that follow and are of the same page go back together.
      let start = PhysicalMemoryWindow.address(of: Self.pointer(list)) & ~4095
      let number = Int(truncatingIfNeeded: start &>> 12)
      var page = Page(frames.pointee.heldValue(number))
      let links: FreeBlock
      if page.freeCount == 0 {
        links = FreeBlock(previousPage: 0, nextPage: first)
        if first != 0 { setPrevious(UInt32(truncatingIfNeeded: number), of: first, frames) }
        first = UInt32(truncatingIfNeeded: number)
      } else {
        links = block(page.firstFree, of: number).pointee
      }
      while list != 0 {
        let pointer = Self.pointer(list)
        let offset = PhysicalMemoryWindow.address(of: pointer) &- start
        guard offset < 4096 else { break }
        list = pointer.load(as: UInt.self)
        pointer.assumingMemoryBound(to: FreeBlock.self).pointee.nextFree =
          UInt16(truncatingIfNeeded: page.firstFree)
        page.firstFree = Int(truncatingIfNeeded: offset &>> 4)
        page.freeCount &+= 1
      }
      setLinks(previous: links.previousPage, next: links.nextPage, of: number, page)
      frames.pointee.setHeldValue(page.value, number)
      if page.freeCount == blocksPerPage {
        emptyCount &+= 1
        if emptyCount > emptiesKept {
          remove(number, page, frames)
          empties = chain(number, before: empties)
        }
      }
    }
    return empties
  }

  @inline(__always)
  private static func pointer(_ address: UInt) -> UnsafeMutableRawPointer {
    // The callers have seen that it is not 0.
    UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// Takes all empty pages out; returns the list of them.
  mutating func takeEmpties(_ frames: UnsafePointer<FrameAllocator>) -> UInt {
    var empties: UInt = 0
    var number = Int(first)
    while number != 0, emptyCount > 0 {
      let page = Page(frames.pointee.heldValue(number))
      let next = Int(block(page.firstFree, of: number).pointee.nextPage)
      if page.freeCount == blocksPerPage {
        remove(number, page, frames)
        empties = chain(number, before: empties)
      }
      number = next
    }
    return empties
  }

  private mutating func remove(
    _ number: Int, _ page: Page, _ frames: UnsafePointer<FrameAllocator>
  ) {
    let links = block(page.firstFree, of: number).pointee
    if links.previousPage != 0 {
      let before = Page(frames.pointee.heldValue(Int(links.previousPage)))
      block(before.firstFree, of: Int(links.previousPage)).pointee.nextPage = links.nextPage
    } else {
      first = links.nextPage
    }
    if links.nextPage != 0 { setPrevious(links.previousPage, of: links.nextPage, frames) }
    emptyCount &-= 1
  }

  private func chain(_ number: Int, before list: UInt) -> UInt {
    let page = UnsafeMutableRawPointer(block(0, of: number))
    page.storeBytes(of: list, as: UInt.self)
    return UInt(bitPattern: page)
  }

  private func setPrevious(
    _ previous: UInt32, of number: UInt32, _ frames: UnsafePointer<FrameAllocator>
  ) {
    let page = Page(frames.pointee.heldValue(Int(number)))
    block(page.firstFree, of: Int(number)).pointee.previousPage = previous
  }

  private func setLinks(previous: UInt32, next: UInt32, of number: Int, _ page: Page) {
    let block = block(page.firstFree, of: number)
    block.pointee.previousPage = previous
    block.pointee.nextPage = next
  }

  @inline(__always)
  private func block(_ place: Int, of number: Int) -> UnsafeMutablePointer<FreeBlock> {
    let address = UInt64(truncatingIfNeeded: number &<< 12 &+ place &<< 4)
    // A page of the heap is in the window, and not at address 0.
    return PhysicalMemoryWindow.pointer(to: address).unsafelyUnwrapped
      .assumingMemoryBound(to: FreeBlock.self)
  }
}
