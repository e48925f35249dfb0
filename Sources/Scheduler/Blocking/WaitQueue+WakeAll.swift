extension WaitQueue {
  /// Wakes all threads that wait. Any context.
  public borrowing func wakeAll() { wake(while: { _, first in first != nil }) }
}
