import Apus
import CBenchmarks
import Machine
import VirtualMemory

/// Each pair of operations, while a plugin of QEMU records which lines of memory the CPUs touch.
///
/// In a cell the CPUs with even numbers do one operation, those with odd numbers the other. A cell is done
/// twice, the first time without a window: so caches are filled. What an operation needs is made before
/// the window, and taken away after it. Nothing in a window is read from memory of another CPU but what
/// the operations themselves read.
struct ConflictMatrix {
  /// Only the cells of these operations.
  let operations: [MatrixOperation]

  private static let arrivals = Atomic<Int>(0)

  func run() {
    let cpuCount = CPUSet.online.count
    guard cpuCount >= 2 else { Benchmarks.fail("there are no conflicts on one CPU") }
    LockedAreas.shared.initialize()
    MatrixRanges.prepare()
    print("records \(Frames.recordsStart) \(Frames.recordSize)")
    print("window control together")
    print("window control apart")
    forEachCell { design, arguments, first, second in
      print("window \(design.name) \(arguments.name) \(first.name) \(second.name)")
    }
    CPUSet.online.run { cpu in takePart(as: cpu, of: cpuCount) }
  }

  /// All cells, in the order of the windows.
  private func forEachCell(
    _ body: (MatrixDesign, MatrixArguments, MatrixOperation, MatrixOperation) -> Void
  ) {
    // The design that is compared has its own page tables: once is enough.
    let designs =
      AddressSpace.shared.scheme == .shared ? MatrixDesign.allCases : [MatrixDesign.apus]
    for design in designs {
      for arguments in MatrixArguments.allCases {
        for (index, first) in operations.enumerated() {
          for second in operations[index...]
          where design.has(first, second) && arguments.haveMeaning(for: first, second) {
            body(design, arguments, first, second)
          }
        }
      }
    }
  }

  private func takePart(as cpu: CPU, of cpuCount: Int) {
    var meetings = Meetings(cpuCount: cpuCount)
    meetings.wait()
    Self.inWindow { if cpu.index < 2 { benchmark_write_line(0, cpu.index) } }
    meetings.wait()
    Self.inWindow { if cpu.index < 2 { benchmark_write_line(cpu.index, 0) } }
    var participant = Participant(cpu: cpu)
    participant.printObjects()
    forEachCell { design, arguments, first, second in
      let isFirst = cpu.index % 2 == 0
      participant.begin(
        design, arguments, isFirst ? first : second, beside: isFirst ? second : first)
      for isRecorded in [false, true] {
        meetings.wait()
        participant.prepare(meetings: &meetings)
        meetings.wait()
        if isRecorded {
          Self.inWindow { Self.perform(participant) }
        } else {
          Self.perform(participant)
        }
        meetings.wait()
        participant.finish()
      }
    }
    meetings.wait()
  }

  private static func inWindow(_ work: () -> Void) {
    InstructionCounter.mark(Marks.nextWindow)
    work()
    InstructionCounter.mark(Marks.left)
  }

  /// Never inlined, so that it reads nothing of what is around it. Under the clock of instructions a CPU
  /// gives way at a pause only: so the CPUs take turns.
  @inline(never)
  private static func perform(_ participant: Participant) {
    for round in 0..<Participant.roundCount {
      participant.perform(round)
      Processor.pause()
    }
  }

  /// The points where all CPUs wait for each other.
  struct Meetings {
    let cpuCount: Int
    private var count = 0

    init(cpuCount: Int) { self.cpuCount = cpuCount }

    /// Waits until every CPU has come here as often. Threads that wait for this CPU have their turns.
    mutating func wait() {
      count += 1
      ConflictMatrix.arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing)
      while ConflictMatrix.arrivals.load(ordering: .acquiring) < count * cpuCount {
        Thread.yield()
        Processor.pause()
      }
    }
  }
}
