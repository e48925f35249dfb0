import CMachine
import Locking
import Machine
import PerCPU

/// The timers of one CPU. Modelled in `Models/Timer.pml`.
///
/// A timer is set on the CPU of the caller, so that only this CPU's own hardware is ever set, and
/// cancelled from any. Its function runs in an interrupt with the lock held: who cancels waits for that.
struct TimerQueue: ~Copyable {
  enum TimersLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = TimerLevel
    static var name: StaticString { "timers" }
  }

  let heap = SpinLock<TimersLock, TimerHeap>(TimerHeap())

  // Of this CPU only, with interrupts off.
  /// When the hardware's interrupt comes; `UInt64.max` if none was asked for. A timer that is cancelled
  /// leaves it: the interrupt then finds nothing due, which costs less than to set the hardware for each
  /// timeout that does not come.
  var armed = UInt64.max
  /// When the slice of the running thread is over; `UInt64.max` if it has no end. See `Preemption`.
  var sliceEnd = UInt64.max

  /// Written with the lock of the heap.
  var accuracy = TimerAccuracy()
}

/// How many timers went off on a CPU, and how late, in nanoseconds.
struct TimerAccuracy {
  var fired: UInt64 = 0
  /// Of all together.
  var lateness: UInt64 = 0
  var greatestLateness: UInt64 = 0

  /// Notes that a timer goes off.
  @inline(__always)
  mutating func note(late: UInt64) {
    fired &+= 1
    lateness &+= late
    greatestLateness = Swift.max(greatestLateness, late)
  }
}

/// All CPUs' timers.
enum Timers {
  static let queues = CPULocal<TimerQueue>()

  /// Takes a timer back; returns whether it was set, so that its function will not run (again). When this
  /// returns, the function does not run. In threads; the timer's function may not call it.
  @inline(__always)
  @discardableResult
  static func cancel(_ node: UnsafeMutablePointer<TimerNode>) -> Bool {
    let home = queues.pointer(for: CPU(index: node.pointee.home))
    return home.pointee.heap.withLockAndInterruptsDisabled { heap in
      if !node.pointee.isSet { return false }
      heap.remove(node)
      node.pointee.isSet = false
      return true
    }
  }

  /// Asks for an interrupt at `deadline`, unless an earlier one was asked for. On this CPU, with
  /// interrupts off.
  @inline(__always)
  static func arm(_ own: UnsafeMutablePointer<TimerQueue>, at deadline: UInt64) {
    if deadline >= own.pointee.armed { return }
    own.pointee.armed = deadline
    OneShotTimer.arm(at: deadline)
  }
}

/// Lets `function(context)` run on this CPU at `deadline` (nanoseconds of `MonotonicClock`), in an interrupt
/// and with the lock of its timers held, and with a `period` again and again. Turns that come too late are left
/// out. `node` is not set.
///
/// The function and nothing else is handed over by its name, so that isrcheck checks each of them as
/// interrupt code.
@_silgen_name("apus_set_timer")
@inline(never)
@usableFromInline
func setTimer(
  _ function: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void,
  _ context: UnsafeMutableRawPointer, _ node: UnsafeMutablePointer<TimerNode>,
  at deadline: UInt64, every period: UInt64
) {
  node.pointee.function = function
  node.pointee.context = context
  node.pointee.period = period
  node.pointee.deadline = deadline
  Processor.withInterruptsDisabledProof { proof in
    node.pointee.home = Processor.index
    let own = Timers.queues.current
    own.pointee.heap.withLock(interruptsDisabled: proof) { heap in
      node.pointee.isSet = true
      heap.insert(node)
    }
    Timers.arm(own, at: deadline)
  }
}

/// Calls a timer's function. By itself, so that isrcheck knows the call.
@_silgen_name("apus_run_timer")
@inline(never)
private func run(_ node: UnsafeMutablePointer<TimerNode>) {
  if let context = node.pointee.context { node.pointee.function?(context) }
}

/// The interrupt of this CPU's timer.
@c(apus_handle_timer)
@inline(never)
public func handleTimer() {
  guard let own = Timers.queues.currentIfInitialized else { return }
  own.pointee.armed = .max
  let now = MonotonicClock.nanoseconds
  let deadline = InterruptsDisabled.assumed { proof in
    own.pointee.heap.withLock(interruptsDisabled: proof) { heap in
      while let node = heap.first, node.pointee.deadline <= now {
        heap.remove(node)
        let period = node.pointee.period
        let late = now &- node.pointee.deadline
        own.pointee.accuracy.note(late: late)
        if period == 0 {
          node.pointee.isSet = false
        } else {
          node.pointee.deadline &+= (late / period &+ 1) &* period
          heap.insert(node)
        }
        // The last touch: whoever is told may see that this one was for once, and take its memory back.
        run(node)
      }
      return heap.deadline
    }
  }
  if own.pointee.sliceEnd <= now { Preemption.endSlice(own, at: now) }
  let next = Swift.min(deadline, own.pointee.sliceEnd)
  if next != .max { Timers.arm(own, at: next) }
}
