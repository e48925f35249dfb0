#if hasFeature(Embedded)
import Locking
import PerCPU

/// Who may still join the CPUs that run. Once the boot CPU has stopped waiting the number of CPUs
/// is constant: whoever comes later stays off.
enum Admission {
  private enum OpenLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AdmissionLevel
    static var name: StaticString { "admission" }
  }

  private static let isOpen = SpinLock<OpenLock, Bool>(true)

  /// Adds a CPU to those that run; false when it is too late.
  static func admit(_ cpu: CPU) -> Bool {
    isOpen.withLock { isOpen in
      if isOpen { CPUSet.markOnline(cpu) }
      return isOpen
    }
  }

  static func close() { isOpen.withLock { $0 = false } }
}
#endif
