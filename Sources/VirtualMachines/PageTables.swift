/// How much of the page tables each CPU of the guest has for itself.
public enum PageTables: String, CaseIterable, Equatable, Sendable {
  /// A root.
  case shared
  /// All of them.
  case perCPU = "per-cpu"
}
