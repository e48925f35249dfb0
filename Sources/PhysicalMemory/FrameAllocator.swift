import Boot
import Locking
import Machine

/// Not enough free frames for a request.
public enum FrameAllocatorError: Error, Equatable {
  case outOfFrames
}

/// Hands out physical memory in frames of 4 KiB: any frame, or a run of them.
///
/// One lock around a bitmap: correct on all CPUs, and linear in the amount of memory at worst.
/// Not for interrupt handlers.
public struct FrameAllocator: ~Copyable, Sendable {
  /// Bytes in a frame.
  public static let frameSize: UInt64 = 4096

  struct State {
    var bitmap: FrameBitmap?
    var freeCount = 0
    var usableCount = 0
  }

  private enum StateLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = FrameLevel
    static var name: StaticString { "frames" }
  }

  private let state = SpinLock<StateLock, State>(State())
  // Written once at boot, then constant.
  private let recordsAddress = Atomic<UInt64>(0)

  /// An allocator without memory.
  public init() {}

  /// The allocator of the machine's memory.
  public static let shared = FrameAllocator()

  /// Bytes of records that an allocator needs for memory up to `end`.
  public static func metadataByteCount(upTo end: UInt64) -> Int {
    let frames = Int(end / frameSize)
    return FrameBitmap.wordCount(for: frames) * 8 + frames * 4
  }

  /// Starts with all frames up to `end` taken. `metadata` holds `metadataByteCount(upTo: end)`
  /// bytes and is never freed. On the boot CPU.
  public func initialize(upTo end: UInt64, metadata: UnsafeMutableRawPointer) {
    let frames = Int(end / Self.frameSize)
    let words = FrameBitmap.wordCount(for: frames)
    let bitmap = FrameBitmap(
      words: metadata.bindMemory(to: UInt64.self, capacity: words), frameCount: frames)
    // Not cleared: a record has a meaning once a holder of the frame has written it, and to touch
    // all of them would cost a host page for each 4 MiB of memory.
    let records = metadata + words * 8
    recordsAddress.store(UInt64(UInt(bitPattern: records)), ordering: .relaxed)
    state.withLock { $0.bitmap = bitmap }
  }

  /// Gives the allocator a range of usable memory; only whole frames count.
  public func add(_ range: PhysicalRange) {
    let first = Int((range.start.rawValue + Self.frameSize - 1) / Self.frameSize)
    let end = Int(range.end.rawValue / Self.frameSize)
    guard first < end else { return }
    state.withLock { state in
      state.bitmap?.set(free: true, from: first, count: end - first)
      state.freeCount += end - first
      state.usableCount += end - first
    }
  }

  /// Takes `count` frames in a row whose address is a multiple of `alignment` bytes (a power of
  /// two) and which end at or below `limit`. The contents are whatever they were.
  public func allocate(
    count: Int = 1, alignment: UInt64 = 4096, below limit: UInt64 = .max
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    let found: Int? = state.withLock { state in
      guard count > 0, count <= state.freeCount,
        let start = state.bitmap?.find(
          count: count, alignment: Int(Swift.max(alignment / Self.frameSize, 1)),
          limit: Int(limit / Self.frameSize))
      else { return nil }
      state.bitmap?.set(free: false, from: start, count: count)
      state.freeCount -= count
      return start
    }
    guard let found else { throw .outOfFrames }
    return PhysicalAddress(UInt64(found) * Self.frameSize)
  }

  /// Gives frames back. To give back what was not taken is a fatal error.
  public func free(_ address: PhysicalAddress, count: Int = 1) {
    let start = Int(address.rawValue / Self.frameSize)
    state.withLock { state in
      precondition(
        start + count <= state.bitmap?.frameCount ?? 0
          && state.bitmap?.allAre(free: false, from: start, count: count) == true,
        "frames are freed that are free already")
      state.bitmap?.set(free: true, from: start, count: count)
      state.freeCount += count
    }
  }

  /// Frames that can be had now.
  public var freeFrameCount: Int { state.withLock { $0.freeCount } }

  /// Frames that were ever given to the allocator.
  public var usableFrameCount: Int { state.withLock { $0.usableCount } }

  /// One word for each frame, which belongs to whoever holds the frame: the heap keeps there what
  /// a page is used for. No lock: the holder answers for it.
  @inline(__always)
  public func record(of address: PhysicalAddress) -> UnsafeMutablePointer<UInt32>? {
    UnsafeMutablePointer<UInt32>(
      bitPattern: UInt(recordsAddress.load(ordering: .relaxed))
        + UInt(address.rawValue / Self.frameSize) * 4)
  }
}
