import Apus
import Locking

/// A lock is taken in an interrupt whose type says that no interrupt takes it.
@main
struct Locks {
  enum Counter: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AdmissionLevel
    static var name: StaticString { "counter" }
  }

  static let counter = SpinLock<Counter, Int>(0)

  static func main() {
    CPUSet.online.interrupt { _ in counter.withLock { $0 += 1 } }
  }
}
