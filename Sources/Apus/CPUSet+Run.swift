#if hasFeature(Embedded)
import Interrupts
import Kernel
import PerCPU

extension CPUSet {
  /// Runs `body` on every CPU of the set at the same time and returns when all are done.
  ///
  ///     CPUSet.online.run { cpu in print("hello from CPU \(cpu.index)") }
  ///
  /// The body may do whatever a program may do. CPUs of the set that are not online are left out.
  public func run(_ body: @Sendable (CPU) -> Void) {
    CPUWork.run(on: self, body)
  }

  /// Runs a short `body` on every CPU of the set in an interrupt, at once, whatever the CPU does,
  /// and returns when all are done. The body may not allocate, print or wait; `apus build` proves
  /// that it does not.
  @_transparent
  @_alwaysEmitIntoClient
  public func interrupt(_ body: @Sendable (CPU) -> Void) {
    CrossCall.run(on: self, body)
  }
}
#endif
