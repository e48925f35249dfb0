import ELF

/// Code that a kernel exchanges while it runs, and places to which it goes on after a fault: paths
/// that no instruction of the image shows.
///
/// Known are the tables of Linux: `.altinstructions`, `__ex_table`, `__jump_table`.
struct CodePatches: Sendable {
  private var successors: [UInt64: [UInt64]] = [:]
  private var continuations: [UInt64: UInt64] = [:]

  init(_ file: ELFFile) {}

  /// Where code may go on instead of executing the instruction at an address.
  func successors(of address: UInt64) -> [UInt64] { successors[address] ?? [] }

  /// Where code goes on that ends at an address, in front of other code.
  func continuation(after end: UInt64) -> UInt64? { continuations[end] }
}
