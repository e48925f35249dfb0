/// What lies where in `Processor.lockingStorage`, 512 bytes.
enum LockingStorage {
  /// Nodes of lock queues, which other CPUs write: lines of their own.
  static let nodesOffset = 0
  /// The record of held locks, in checked builds.
  static let heldLocksOffset = 64
}
