import Apus
import CBenchmarks
import Machine

/// Work that several CPUs do at the same time, each for itself, while a plugin of QEMU records
/// which lines of memory they touch.
///
/// The work is done in windows. What is needed to begin a window together lies outside of all of
/// them, and nothing in a window is taken from memory of another CPU. The first window is cold; the
/// figure is of the second one, after more rounds that nobody records. Two more windows check
/// the plugin: in one of them two CPUs write one line, in the other one each a line of its own.
struct Sharing {
  /// How often each CPU does the work in a window.
  let rounds: Int
  /// Makes what the work needs, before the CPUs come.
  var prepare: () -> Void = {}
  /// One round of the work, for a CPU with this working set; a function without a context, which
  /// CPUs would share.
  let work: @convention(c) (WorkingSet.Memory) -> Void

  private static let cpuCount = 4
  private static let arrivals = Atomic<Int>(0)

  func run() {
    guard CPUSet.online.count == Self.cpuCount else {
      Benchmarks.fail("conflicts are counted on \(Self.cpuCount) CPUs")
    }
    prepare()
    print("conflicts \(Frames.recordsStart) \(Frames.recordSize)")
    let (rounds, work) = (rounds, work)
    CPUSet.online.run { cpu in Self.takePart(as: cpu.index, rounds, work) }
  }

  /// What one CPU does. Never inlined, so that it reads nothing of the closure above in a window.
  @inline(never)
  private static func takePart(
    as cpu: Int, _ rounds: Int, _ work: @convention(c) (WorkingSet.Memory) -> Void
  ) {
    let own = WorkingSet.makeMemory()
    inWindow(0, meeting: 1) { repeatInTurn(rounds, own, work) }
    meetOthers(2)
    repeatInTurn(rounds, own, work)
    inWindow(1, meeting: 3) { repeatInTurn(rounds, own, work) }
    inWindow(2, meeting: 4) { if cpu < 2 { benchmark_write_line(0, cpu) } }
    inWindow(3, meeting: 5) { if cpu < 2 { benchmark_write_line(cpu, 0) } }
    meetOthers(6)
  }

  /// Under the clock of instructions a CPU gives way at a pause only: so the CPUs take turns.
  @inline(__always)
  private static func repeatInTurn(
    _ rounds: Int, _ own: WorkingSet.Memory, _ work: @convention(c) (WorkingSet.Memory) -> Void
  ) {
    loop(rounds) {
      work(own)
      Processor.pause()
    }
  }

  @inline(__always)
  private static func inWindow(_ number: UInt64, meeting: Int, _ work: () -> Void) {
    meetOthers(meeting)
    InstructionCounter.mark(Marks.firstWindow + number)
    work()
    InstructionCounter.mark(Marks.left)
  }

  /// Waits until every CPU has come here for the time that `meeting` counts, from 1 on.
  private static func meetOthers(_ meeting: Int) {
    arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing)
    while arrivals.load(ordering: .acquiring) < meeting * cpuCount { Processor.pause() }
  }
}
