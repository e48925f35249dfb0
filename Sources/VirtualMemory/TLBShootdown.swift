import Interrupts
import Machine
import PerCPU
import Tracing

/// Makes CPUs forget what they remember of a range of addresses.
///
/// The entries are changed before, by operations that are full fences, and only then the CPUs are
/// chosen: a CPU that begins to use the tables later finds the new entries. CPUs that spin with
/// interrupts off answer too (`SpinWait`), so locks may be held. Senders do not wait for each other,
/// and each forgets its own translations while the others are on their way to answer.
enum TLBShootdown {
  /// Pages that are forgotten one by one; of more, forgetting everything is less work.
  private static let singlePageLimit: UInt64 = 32

  private struct Request {
    var start: UInt64
    var end: UInt64
  }

  /// Returns when no CPU of the set remembers a translation of the range, or of a table on the way
  /// to it, that is not in the tables any more. Not in interrupts.
  static func run(on cpus: CPUSet, from start: UInt64, to end: UInt64) {
    let begin = Trace.begin()
    defer { Trace.record(.shootdown, since: begin, start, cpus.rawValue) }
    let request = Request(start: start, end: end)
    withUnsafePointer(to: request) { request in
      UrgentCall.run(
        on: cpus,
        { context, _ in
          let request = context.assumingMemoryBound(to: Request.self).pointee
          TLBShootdown.forget(from: request.start, to: request.end)
        }, context: request)
    }
  }

  /// Makes this CPU forget pages one by one, or everything where that is less work. To forget one page
  /// forgets all tables on the way (volume 3, 4.10.4.1).
  @inline(__always)
  private static func forget(from start: UInt64, to end: UInt64) {
    let span = PageTableFormat.span(level: 0)
    if (end &- start) / span > singlePageLimit {
      AddressTranslation.forgetAll()
    } else {
      var address = start
      while address < end {
        AddressTranslation.forget(address)
        address &+= span
      }
    }
  }
}
