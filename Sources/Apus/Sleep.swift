#if hasFeature(Embedded)
import Scheduler

/// Lets the running thread wait for a time of at least `nanoseconds`.
public func sleep(nanoseconds: UInt64) {
  Thread.sleep(nanoseconds: nanoseconds)
}
#endif
