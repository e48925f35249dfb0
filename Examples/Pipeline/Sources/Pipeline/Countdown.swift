import Apus

/// Does something when a number of threads are through.
final class Countdown: Sendable {
  private let left: Atomic<Int>
  private let atZero: @Sendable () -> Void

  init(_ count: Int, _ atZero: @escaping @Sendable () -> Void) {
    left = Atomic(count)
    self.atZero = atZero
  }

  func countDown() {
    // Release and acquire: what the other threads did comes before what is done at zero.
    if left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { atZero() }
  }
}
