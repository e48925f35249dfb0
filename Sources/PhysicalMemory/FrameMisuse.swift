import Boot
import CMachine
import Machine

/// What is wrong with giving frames back that cannot be given back.
enum FrameMisuse {
  case isNoFrame
  case isNoMemory
  case isFree
  case isShared
  case isInUse

  /// What is wrong with freeing a block with this record; `nil` if nothing is.
  init?(freeing record: FrameRecord) {
    if record == .allocated(order: record.order) { return nil }
    if record.isKind(.hole) {
      self = .isNoMemory
    } else if record.isUse(.counted) {
      self = .isShared
    } else {
      self = record.isHeld ? .isInUse : .isFree
    }
  }

  #if CHECKED
  var reason: StaticString {
    switch self {
    case .isNoFrame: "a frame is freed at an address that is no frame's"
    case .isNoMemory: "a frame is freed that the allocator never had"
    case .isFree: "a frame is freed that is free already"
    case .isShared: "a frame is freed that has other references"
    case .isInUse: "a frame is freed that the heap or a page table uses"
    }
  }
  #endif
}

extension FrameAllocator {
  /// Says what was done wrong, and ends the machine in checked builds.
  @inline(never)
  func report(_ misuse: FrameMisuse, at address: PhysicalAddress) {
    _ = misuses.wrappingAdd(1, ordering: .relaxed)
    #if CHECKED
    if !injection.toleratesMisuse { MemoryMisuse.stop(misuse.reason, at: address.rawValue) }
    #endif
  }

  /// How often frames were given back that could not be.
  public var misuseCount: Int { misuses.load(ordering: .relaxed) }
}

#if CHECKED
/// The end after memory was used wrongly, in checked builds.
public enum MemoryMisuse {
  /// Says what was wrong with which address. Any context.
  public static func stop(_ reason: StaticString, at address: UInt64) -> Never {
    #if hasFeature(Embedded)
    apus_misuse(reason.utf8Start, address)
    #else
    fatalError("\(reason): 0x\(String(address, radix: 16))")
    #endif
  }
}

/// Makes allocations fail on purpose, for tests.
struct FailureInjection: ~Copyable {
  /// How many allocations there are until one fails; not above 0 once they do. `disarmed` is none.
  private let countdown = Atomic<Int>(Self.disarmed)
  private let failureCount = Atomic<Int>(0)
  private let tolerance = Atomic<Int>(0)

  private static var disarmed: Int { .max }

  @inline(__always)
  func fails() -> Bool {
    if countdown.load(ordering: .relaxed) == Self.disarmed { return false }
    let left = countdown.wrappingSubtract(1, ordering: .relaxed).newValue
    return left <= 0 && 0 - left < failureCount.load(ordering: .relaxed)
  }

  func failAllocations(from number: Int, count: Int) {
    failureCount.store(count, ordering: .relaxed)
    countdown.store(number, ordering: .relaxed)
  }

  func stopFailing() { countdown.store(Self.disarmed, ordering: .relaxed) }

  var toleratesMisuse: Bool { tolerance.load(ordering: .relaxed) != 0 }

  func tolerateMisuse(_ tolerate: Bool) { tolerance.store(tolerate ? 1 : 0, ordering: .relaxed) }
}

extension FrameAllocator {
  /// Lets `count` allocations fail, as if there were no frames, from the `number`th from now on. In
  /// checked builds only.
  public func failAllocations(from number: Int, count: Int = 1) {
    injection.failAllocations(from: number, count: count)
  }

  /// Lets allocations succeed again. In checked builds only.
  public func stopFailing() { injection.stopFailing() }

  /// Whether misuse is only counted, as in builds that are not checked. In checked builds only.
  public func tolerateMisuse(_ tolerate: Bool) { injection.tolerateMisuse(tolerate) }
}
#endif
