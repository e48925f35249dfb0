#if hasFeature(Embedded)
import Kernel
import Machine

/// Halts this CPU for a time of at least `nanoseconds`. It still does the work that
/// `CPUSet.run` asks of it, which may make it later.
public func sleep(nanoseconds: UInt64) {
  let (deadline, overflow) = MonotonicClock.nanoseconds.addingReportingOverflow(nanoseconds)
  Sleep.until(overflow ? .max : deadline)
}
#endif
