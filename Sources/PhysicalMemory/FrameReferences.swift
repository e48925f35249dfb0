import Boot
import Machine

/// References to frames that several holders share, and what a holder notes about its frames.
extension FrameAllocator {
  /// Adds a reference to a block, named by its first frame, of which the caller has one. One
  /// atomic operation. Any context.
  public func retain(_ address: PhysicalAddress) {
    guard let record = heldRecord(address) else { return report(.isNoMemory, at: address) }
    var seen = record.pointee.load(ordering: .relaxed)
    while true {
      let value = FrameRecord(rawValue: seen)
      guard value.isUse(.counted), value.value > 0, value.value < FrameRecord.largestValue else {
        return report(.isFree, at: address)
      }
      let result = record.pointee.compareExchange(
        expected: seen, desired: seen &+ 1 << 8, ordering: .relaxed)
      if result.exchanged { return }
      seen = result.original
    }
  }

  /// Takes a reference away, and frees the block with the last one; returns whether it did.
  /// Release pairs with the acquire of whoever takes the last one: it sees what all others wrote.
  @discardableResult
  public func release(_ address: PhysicalAddress) -> Bool {
    guard let record = heldRecord(address) else {
      report(.isNoMemory, at: address)
      return false
    }
    var seen = record.pointee.load(ordering: .acquiring)
    while true {
      let value = FrameRecord(rawValue: seen)
      guard value.isUse(.counted), value.value > 0 else {
        report(.isFree, at: address)
        return false
      }
      // Nobody else has a reference, so nobody can add one.
      if value.value == 1 {
        free(address, count: 1 << value.order)
        return true
      }
      let result = record.pointee.compareExchange(
        expected: seen, desired: seen &- 1 << 8, ordering: .acquiringAndReleasing)
      if result.exchanged { return false }
      seen = result.original
    }
  }

  /// How many references a held block has; 0 if it is none.
  public func referenceCount(_ address: PhysicalAddress) -> Int {
    guard let record = heldRecord(address) else { return 0 }
    let value = FrameRecord(rawValue: record.pointee.load(ordering: .relaxed))
    return value.isUse(.counted) ? Int(value.value) : 0
  }

  /// The record of a frame; `nil` where there is no memory that the allocator knows. No lock.
  @inline(__always)
  package func record(of address: PhysicalAddress) -> FrameRecord? {
    let frame = Int(truncatingIfNeeded: address.rawValue &>> 12)
    guard frame < recordCount else { return nil }
    return records[frame]
  }

  /// Notes what a block is used for that the caller alone has, by its first frame. Such a block
  /// cannot be freed or shared until `endUse`.
  @inline(__always)
  package func setUse(_ use: FrameUse, value: UInt32, of address: PhysicalAddress) {
    let frame = Int(truncatingIfNeeded: address.rawValue &>> 12)
    records[frame] = FrameRecord(use, order: records[frame].order, value: value)
  }

  /// What the heap notes about its page with this number.
  @inline(__always)
  package func heldValue(_ number: Int) -> UInt32 { records[number].value }

  /// Notes something else about a page of the heap.
  @inline(__always)
  package func setHeldValue(_ value: UInt32, _ number: Int) {
    records[number] = FrameRecord(.slab, order: 0, value: value)
  }

  /// The record of a frame that the caller uses, whose value it may change in place: several CPUs
  /// may share it, if the holder says so. Values count in `FrameRecord.valueUnit`.
  @inline(__always)
  package func holderRecord(of address: PhysicalAddress) -> UnsafeMutablePointer<Atomic<UInt32>> {
    table.record(Int(truncatingIfNeeded: address.rawValue &>> 12))
  }

  /// Makes a block that was used an ordinary one with one reference.
  @inline(__always)
  package func endUse(of address: PhysicalAddress) {
    let frame = Int(truncatingIfNeeded: address.rawValue &>> 12)
    records[frame] = .allocated(order: records[frame].order)
  }

  /// Where the records are, 4 bytes for each frame from 0 on: for tools that name lines of memory.
  public var recordsAddress: UInt { table.address }

  /// How many frames have a record.
  package var frameLimit: Int { recordCount }

  private func heldRecord(_ address: PhysicalAddress) -> UnsafeMutablePointer<Atomic<UInt32>>? {
    let frame = Int(truncatingIfNeeded: address.rawValue / Self.frameSize)
    guard address.isPageAligned, frame >= 0, frame < table.frameCount else { return nil }
    return table.record(frame)
  }
}
