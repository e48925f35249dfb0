/// Takes a lock: by `attempt`, or by `wait` if it did not get it. Checked builds see both, and how
/// long the wait was.
@inline(__always)
@usableFromInline
func takeLock<Class: LockClass>(
  _: Class.Type, at address: @autoclosure () -> UInt, by attempt: () -> Bool,
  orWait wait: () -> Void
) {
  #if CHECKED
  HeldLocks.willAcquire(address(), LockIdentity(Class.self))
  var start: UInt64?
  #endif
  if !attempt() {
    #if CHECKED
    start = LockStatistics.now
    #endif
    wait()
  }
  #if CHECKED
  HeldLocks.didAcquire(address(), LockIdentity(Class.self), waitingSince: start)
  #endif
}
