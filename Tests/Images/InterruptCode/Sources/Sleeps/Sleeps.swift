import Apus

/// A mutex in an interrupt: whoever has it may be what was interrupted, and an interrupt cannot sleep.
@main
struct Sleeps {
  static let orders = Mutex<Int>(0)

  static func main() {
    CPUSet.online.interrupt { _ in orders.withLock { $0 += 1 } }
  }
}
