#if hasFeature(Embedded) && arch(x86_64)
import CMachine

extension Processor {
  /// Runs code of the application within an interrupt: the vector registers that it may use belong
  /// to whatever was interrupted, and trap entry saves none of them.
  public static func preservingVectorState(_ body: () -> Void) {
    withUnsafeTemporaryAllocation(byteCount: 512, alignment: 16) { area in
      apus_save_vectors(area.baseAddress)
      body()
      apus_restore_vectors(area.baseAddress)
    }
  }
}
#endif
