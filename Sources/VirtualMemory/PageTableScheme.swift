/// How much of an address space's page tables each CPU has for itself. Chosen once, at boot; what an
/// address space does is the same.
///
/// In every scheme each CPU has a root of its own, and one tree of tables is the truth, which no
/// processor walks from its root. A fault is resolved there, and then one entry of it is copied into
/// the CPU's own tables. Beside that entry the CPU is noted as a holder: who changes the entry, or what
/// is below it, tells the holders.
public enum PageTableScheme: CaseIterable, Sendable {
  /// A CPU's own root leads to the common tables: it is filled once for each 512 GiB. All CPUs that
  /// ever used an address in there are told of a change.
  case shared
  /// All tables that a processor walks are its CPU's own: each page is filled on its own. Exactly
  /// those CPUs are told of a change that hold the page, and no two processors walk one table.
  case perCPU

  /// Whether the holders of each page are known.
  @inline(__always)
  var hasHoldersOfPages: Bool { self == .perCPU }
}
