import Exploration

/// All scenarios over the kernel's modules, by name.
enum Scenarios {
  static var all: [Scenario] {
    SpinLockScenarios.all + LockScenarios.all + EpochScenarios.all + MailboxScenarios.all
      + CrossCallScenarios.all + UrgentCallScenarios.all
      + CPUWorkScenarios.all
      + KernelAddressSpaceScenarios.all + AddressSpaceScenarios.all + CopyOnWriteScenarios.all
      + RandomOperationScenarios.all
      + FrameAllocatorScenarios.all
      + ConsoleScenarios.all + HeapScenarios.all + SchedulerScenarios.all
      + BlockingScenarios.all + ClassicThreadScenarios.all + InheritanceScenarios.all
      + ParallelScenarios.all
      + TimerScenarios.all + InterruptScenarios.all
  }

  /// Those with a bug, which are run by name only.
  static var planted: [Scenario] { PlantedBug.all.map { $0.scenario(false) } }

  static func named(_ name: String) -> Scenario? { (all + planted).first { $0.name == name } }
}
