import Exploration
import Locking
import Machine
import PerCPU

/// `Locking/Epoch.swift`: nothing is reclaimed while a reader may hold it, and everything is in the end.
enum EpochScenarios {
  static var all: [Scenario] { [readers, writers, stamps] }

  private enum State { case reachable, retired, reclaimed }

  /// An object that notes what became of it; it stays in memory.
  private final class Object {
    var state = State.reachable
    let header: UnsafeMutablePointer<RetiredObject>

    init() {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
      header = memory.bindMemory(to: RetiredObject.self, capacity: 1)
    }

    deinit { UnsafeMutableRawPointer(header).deallocate() }

    /// Keeps a reference to itself in the object's memory.
    func store() {
      UnsafeMutableRawPointer(header)
        .storeBytes(
          of: Unmanaged.passUnretained(self).toOpaque(), toByteOffset: 48,
          as: UnsafeMutableRawPointer.self)
    }
  }

  private final class Shared {
    let epoch = Epoch()
    private let storage: Storage
    let objects: [Object]
    /// Which object can be found, by index.
    let current = Atomic<Int>(0)

    init(cpuCount: Int, objectCount: Int) {
      storage = Storage(byteCount: Epoch.byteCount(for: cpuCount))
      epoch.initialize(in: storage.start, count: cpuCount)
      // Epochs pass over CPUs that are not online.
      for index in 0..<cpuCount { CPUSet.markOnline(CPU(index: index)) }
      objects = (0..<objectCount).map { _ in Object() }
      for object in objects { object.store() }
    }

    /// Reads in a section as readers do: the object may be retired meanwhile, but not reclaimed.
    func read(_ machine: Simulation) {
      epoch.read {
        let object = objects[current.load(ordering: .acquiring)]
        for _ in 0..<2 {
          machine.yieldPoint()
          machine.check(object.state != .reclaimed, "a reader holds an object that is reclaimed")
        }
      }
    }

    /// Puts another object in the place of the present one, and retires that.
    func replace(by index: Int) {
      let old = objects[current.exchange(index, ordering: .acquiringAndReleasing)]
      old.state = .retired
      epoch.retire(old.header) { memory in
        let object = memory.load(fromByteOffset: 48, as: UnsafeMutableRawPointer.self)
        Unmanaged<Object>.fromOpaque(object).takeUnretainedValue().state = .reclaimed
      }
    }
  }

  private static func checkReclaimed(_ machine: Simulation, _ shared: Shared, but last: Int?) {
    let left = shared.objects.indices.filter { shared.objects[$0].state != .reclaimed }
    machine.check(
      last.map { left == [$0] } ?? (left.count == 1), "objects not reclaimed: \(left)")
  }

  /// Two CPUs read, one replaces what they read, twice, and waits.
  static let readers = Scenario("Epoch/readers") { machine in
    let shared = Shared(cpuCount: 3, objectCount: 3)
    for _ in 0..<2 {
      machine.cpu {
        shared.read(machine)
        shared.read(machine)
      }
    }
    machine.cpu {
      for index in 1...2 {
        shared.replace(by: index)
        _ = shared.epoch.reclaim()
      }
      shared.epoch.synchronize()
    }
    machine.atEnd { checkReclaimed(machine, shared, but: 2) }
  }

  /// Two CPUs replace at the same time, and read too; a handler has sections of its own.
  static let writers = Scenario("Epoch/writers") { machine in
    let shared = Shared(cpuCount: 2, objectCount: 3)
    machine.onInterrupt { _ in shared.read(machine) }
    for index in 0..<2 {
      machine.interrupt(.timer, on: index)
      machine.cpu {
        shared.read(machine)
        shared.replace(by: index + 1)
        shared.epoch.synchronize()
      }
    }
    machine.atEnd { checkReclaimed(machine, shared, but: nil) }
  }

  /// The primitives by themselves: what was unlinked before the stamp is in nobody's hands when the
  /// stamp has passed.
  static let stamps = Scenario("Epoch/stamps") { machine in
    let shared = Shared(cpuCount: 3, objectCount: 2)
    for _ in 0..<2 { machine.cpu { shared.read(machine) } }
    machine.cpu {
      let old = shared.objects[shared.current.exchange(1, ordering: .acquiringAndReleasing)]
      let stamp = shared.epoch.stamp()
      while !shared.epoch.hasPassed(stamp) {
        if !shared.epoch.tryAdvance() { Processor.pause() }
      }
      old.state = .reclaimed
    }
  }
}
