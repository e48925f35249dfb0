import Synchronization

/// Orders memory operations around it, like `atomic_thread_fence` of C.
@_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
public func memoryFence(ordering: AtomicUpdateOrdering) {
  #if !hasFeature(Embedded)
  if isExplored { explore(.fence) }
  #endif
  atomicMemoryFence(ordering: ordering)
}
