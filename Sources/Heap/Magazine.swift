import Machine

/// The free blocks of one size that a CPU has at hand: a list through the blocks' first words.
struct Magazine {
  /// The address of the first block; 0 when there is none.
  var head: UInt = 0
  /// How many more blocks fit; negative once there is one too many.
  var room = 0
}

/// What a CPU has of the heap for itself. Used with preemption disabled by that CPU alone, without
/// any atomic operation: nobody else may look into it, not even when memory runs short. Others can
/// only ask, by `isWanted`, that the CPU gives back what it has.
struct HeapCache: ~Copyable {
  /// First, so that a class is found by an offset.
  private var magazines: Magazines
  /// A second, full magazine for each size, which is exchanged with the first: so a CPU that
  /// allocates and frees about a border does not meet the lock each time.
  private var spares: Magazines
  /// Whether another CPU wants what is in here.
  let isWanted = Atomic<UInt32>(0)
  /// What blocks of more than a magazine's sizes left behind.
  var keptRanges = KeptRanges()

  /// One magazine of each size.
  private struct Magazines {
    var all = InlineArray<14, Magazine>(repeating: Magazine())
  }

  init() {
    magazines = Magazines()
    spares = Magazines()
    for index in 0..<SizeClass.count {
      magazines.all[index].room = SizeClass(index: index).magazineLimit
      spares.all[index].room = SizeClass(index: index).magazineLimit
    }
  }

  static var sparesOffset: Int { MemoryLayout<Magazines>.stride }
}

extension UnsafeMutablePointer<HeapCache> {
  /// The magazine of a size in use.
  @inline(__always)
  func magazine(_ sizeClass: SizeClass) -> UnsafeMutablePointer<Magazine> {
    (UnsafeMutableRawPointer(self) + sizeClass.offset)
      .assumingMemoryBound(to: Magazine.self)
  }

  /// The other one.
  @inline(__always)
  func spare(_ sizeClass: SizeClass) -> UnsafeMutablePointer<Magazine> {
    (UnsafeMutableRawPointer(self) + HeapCache.sparesOffset
      + sizeClass.offset)
      .assumingMemoryBound(to: Magazine.self)
  }
}
