#if !hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The address translation of the simulated CPU: that of the `SimulatedMMU` which this thread uses.
/// Without one nothing is remembered, so there is nothing to forget.
public enum AddressTranslation {
  /// The physical address of the root table in use.
  public static var root: UInt64 {
    SimulatedMMU.current?.root(of: Processor.index) ?? 0
  }

  /// Changes to another root table and forgets everything.
  public static func use(root: UInt64) {
    explore(.forgetAllTranslations)
    SimulatedMMU.current?.use(root: root, on: Processor.index)
  }

  /// Forgets what this CPU remembers of one page.
  public static func forget(_ address: UInt64) {
    explore(.forgetTranslation, at: address)
    SimulatedMMU.current?.forget(address, on: Processor.index)
  }

  /// Forgets everything.
  public static func forgetAll() {
    explore(.forgetAllTranslations)
    SimulatedMMU.current?.forgetAll(on: Processor.index)
  }
}
#endif
