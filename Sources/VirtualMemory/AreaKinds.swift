import Boot
import Locking
import Machine
import PhysicalMemory

/// The class of the lock around the numbers of areas' kinds.
enum AreaKindsLock: LockClass {
  typealias Context = ThreadOnly
  typealias Level = AddressSpaceLevel
  static var name: StaticString { "kinds of areas" }
}

/// The kinds of areas that an address space has, by the number that stands in the entries of its
/// page tables.
///
/// Equal kinds have one number, so adjacent areas of the same kind are one. No fault writes here, and
/// reading takes no lock. Numbers are not given back: when all 2,047 are taken, the tables are
/// searched for those that no entry has any more. Number 0 is anonymous memory without a name.
struct AreaKinds: ~Copyable, Sendable {
  /// One more than the highest number.
  static var limit: Int { 2048 }

  struct State {
    /// The first of the numbers that were given back; 0 is none.
    var firstFree: UInt16 = 0
    /// When the last of them were: faults that have seen one in an entry may still read its record.
    var freedAt: UInt64 = 0
    /// Numbers from here on never had a record.
    var unusedFrom = 1
    /// Some CPU looks for numbers that are not used any more.
    var isCollecting = false
  }

  private let lock = SpinLock<AreaKindsLock, State>(State())
  /// Where the directory is: addresses of frames with records, then the heads of the hash chains. 0
  /// before the first number is asked for; what was taken is kept.
  private let directory = Atomic<UInt64>(0)

  private static var recordsPerFrame: Int { 4096 / MemoryLayout<AreaRecord>.stride }
  private static var chainCount: Int { 512 }

  // MARK: Reading

  /// The kind with a number that stands in some entry. Any context.
  subscript(number: Int) -> AreaKind {
    if number == 0 { return .anonymous }
    return record(number)?.pointee.kind ?? .anonymous
  }

  /// Where the contents of pages with a number come from that stands in an entry; `nil` if they are zero
  /// at first. Within the epoch section in which the entry was seen: until it ends, the number is not
  /// given to another kind. A comparison for number 0, some 10 instructions for others.
  @inline(__always)
  func backing(of number: Int) -> AreaKind.Backing? {
    number == 0 ? nil : namedBacking(of: number)
  }

  @inline(never)
  private func namedBacking(of number: Int) -> AreaKind.Backing? {
    guard let record = record(number), record.pointee.hasContents else { return nil }
    return record.pointee.kind.backing
  }

  /// Changes whenever the number is given to another kind.
  func version(of number: Int) -> UInt64 { record(number)?.pointee.version ?? 0 }

  // MARK: Numbers

  /// The number of a kind, which stays its number at least until `unpin`: until then it is written into
  /// entries, or not used. Not in an epoch section, with no lock held.
  ///
  /// `collectUsed` adds the numbers of all entries to a set.
  func pin(
    _ kind: AreaKind, of frames: UnsafePointer<FrameAllocator>,
    collectUsed: (inout AreaNumberSet) -> Void
  ) throws(AddressSpaceError) -> Int {
    if kind == .anonymous { return 0 }
    var hasCollected = false
    while true {
      switch lock.withLock({ find(kind, in: &$0, frames) }) {
      case .number(let number): return number
      case .outOfMemory: throw .outOfMemory
      case .wait: SpinWait.turn()
      case .collect:
        if hasCollected {
          lock.withLock { $0.isCollecting = false }
          throw .tooManyKinds
        }
        collect(collectUsed)
        hasCollected = true
      }
    }
  }

  /// The number may be given to another kind when no entry has it.
  func unpin(_ number: Int) {
    if number == 0 { return }
    lock.withLock { _ in record(number)?.pointee.pinCount -= 1 }
  }

  private enum Finding {
    case number(Int)
    case outOfMemory
    /// All are taken: the caller is to look for unused ones.
    case collect
    /// Another CPU looks for unused ones.
    case wait
  }

  private func find(
    _ kind: AreaKind, in state: inout State, _ frames: UnsafePointer<FrameAllocator>
  ) -> Finding {
    guard let chain = chain(of: kind, frames) else { return .outOfMemory }
    var number = chain.pointee
    while let found = record(Int(number)), number != 0 {
      if found.pointee.kind == kind {
        found.pointee.pinCount += 1
        found.pointee.isRecent = true
        return .number(Int(number))
      }
      number = found.pointee.next
    }
    if state.isCollecting { return .wait }
    let new: Int
    if state.firstFree != 0 {
      if !Epoch.shared.hasPassed(state.freedAt) {
        Epoch.shared.tryAdvance()
        return .wait
      }
      new = Int(state.firstFree)
    } else if state.unusedFrom < Self.limit {
      new = state.unusedFrom
      guard makeRecords(of: new, frames) else { return .outOfMemory }
    } else {
      state.isCollecting = true
      forEachTaken { $0.pointee.isRecent = false }
      return .collect
    }
    guard let record = record(new) else { return .outOfMemory }
    if new == state.unusedFrom {
      state.unusedFrom += 1
    } else {
      state.firstFree = record.pointee.next
    }
    record.pointee.set(kind)
    record.pointee.next = chain.pointee
    record.pointee.pinCount = 1
    record.pointee.isRecent = true
    chain.pointee = UInt16(truncatingIfNeeded: new)
    return .number(new)
  }

  /// Gives all numbers back that no entry has. The walk takes no lock: a number that moves meanwhile
  /// from a place that the walk has yet to see to one that it has passed was asked for in between.
  @inline(never)
  private func collect(_ collectUsed: (inout AreaNumberSet) -> Void) {
    var used = AreaNumberSet()
    collectUsed(&used)
    lock.withLock { state in
      for index in 0..<Self.chainCount {
        var previous: UInt16 = 0
        var number = chains?[index] ?? 0
        while number != 0, let record = record(Int(number)) {
          let next = record.pointee.next
          if used.contains(Int(number)) || record.pointee.pinCount > 0 || record.pointee.isRecent {
            previous = number
          } else {
            if previous == 0 {
              chains?[index] = next
            } else {
              self.record(Int(previous))?.pointee.next = next
            }
            record.pointee.next = state.firstFree
            state.firstFree = number
          }
          number = next
        }
      }
      state.freedAt = Epoch.shared.stamp()
      state.isCollecting = false
    }
  }

  // MARK: Memory

  // Acquire pairs with the release in `chain(of:)`: it is seen zeroed.
  private var frameAddresses: UnsafeMutablePointer<Atomic<UInt64>>? {
    let address = directory.load(ordering: .acquiring)
    if address == 0 { return nil }
    return PhysicalMemoryWindow.pointer(to: address)?
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// The heads of all chains. With the lock.
  private var chains: UnsafeMutablePointer<UInt16>? {
    let address = directory.load(ordering: .relaxed)
    if address == 0 { return nil }
    return PhysicalMemoryWindow.pointer(to: address &+ 4096 &- UInt64(Self.chainCount) &* 2)?
      .assumingMemoryBound(to: UInt16.self)
  }

  /// The head of the chain that a kind is in; `nil` without memory. With the lock.
  private func chain(
    of kind: AreaKind, _ frames: UnsafePointer<FrameAllocator>
  ) -> UnsafeMutablePointer<UInt16>? {
    if directory.load(ordering: .relaxed) == 0 {
      guard let frame = try? frames.pointee.allocateZeroed() else { return nil }
      directory.store(frame.rawValue, ordering: .releasing)
    }
    let words = kind.name.words
    var hash = words.first ^ words.second &* 3 ^ words.third &* 5 ^ words.fourth &* 7
    if let contents = kind.backing.contents { hash ^= contents.start ^ contents.address &* 3 }
    hash &*= 0x9E37_79B9_7F4A_7C15
    return chains?.advanced(by: Int(hash >> 55))
  }

  private func record(_ number: Int) -> UnsafeMutablePointer<AreaRecord>? {
    // Acquire pairs with the release in `makeRecords`: the frame is seen zeroed.
    guard
      let frame = frameAddresses?[number / Self.recordsPerFrame].load(ordering: .acquiring),
      frame != 0
    else { return nil }
    return PhysicalMemoryWindow.pointer(to: frame)?.assumingMemoryBound(to: AreaRecord.self)
      .advanced(by: number % Self.recordsPerFrame)
  }

  /// Makes the frame that the record of a number is in, if it is not there.
  private func makeRecords(of number: Int, _ frames: UnsafePointer<FrameAllocator>) -> Bool {
    if record(number) != nil { return true }
    guard let frame = try? frames.pointee.allocateZeroed() else { return false }
    frameAddresses?[number / Self.recordsPerFrame].store(frame.rawValue, ordering: .releasing)
    return true
  }

  /// Frames that the records take, which are kept.
  var frameCount: Int {
    guard let frameAddresses else { return 0 }
    return 1
      + (0...Self.limit / Self.recordsPerFrame).count {
        frameAddresses[$0].load(ordering: .relaxed) != 0
      }
  }

  /// Frees those frames. Nobody uses the numbers any more.
  func free(of frames: UnsafePointer<FrameAllocator>) {
    guard let frameAddresses else { return }
    for index in 0...Self.limit / Self.recordsPerFrame {
      let address = frameAddresses[index].load(ordering: .relaxed)
      if address != 0 { frames.pointee.free(PhysicalAddress(address)) }
    }
    frames.pointee.free(PhysicalAddress(directory.exchange(0, ordering: .relaxed)))
  }

  private func forEachTaken(_ body: (UnsafeMutablePointer<AreaRecord>) -> Void) {
    for index in 0..<Self.chainCount {
      var number = chains?[index] ?? 0
      while number != 0, let record = record(Int(number)) {
        body(record)
        number = record.pointee.next
      }
    }
  }
}

/// A set of numbers of areas' kinds.
struct AreaNumberSet {
  private var bits = InlineArray<32, UInt64>(repeating: 0)

  func contains(_ number: Int) -> Bool { bits[number / 64] & 1 << UInt64(number % 64) != 0 }

  mutating func insert(_ number: Int) { bits[number / 64] |= 1 << UInt64(number % 64) }
}
