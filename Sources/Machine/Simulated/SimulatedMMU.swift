#if !hasFeature(Embedded) && arch(x86_64)
import CMachine

/// An access to simulated virtual memory that the page tables do not allow.
public struct SimulatedPageFault: Error, Equatable {
  /// What was tried.
  public enum Access: Sendable { case read, write, execute }
  /// Where it was tried.
  public let address: UInt64
  /// What was tried there.
  public let access: Access
  /// The page is there, but not for this kind of access.
  public let isProtectionViolation: Bool
}

/// The memory management units of all simulated CPUs: walks the page tables in simulated physical
/// memory as the hardware does, and remembers what it found until it is told to forget.
///
/// An access is one instruction: other CPUs may do anything between the reads of the tables and
/// before the access itself, but this CPU takes no interrupt within it.
public final class SimulatedMMU {
  private struct Unit {
    var root: UInt64 = 0
    var buffer = TranslationBuffer()
  }

  private var units: [Unit]

  /// How often a unit had to write to a table, to mark an entry as accessed or dirty. An address space of the
  /// kernel gives it no reason to: a table that CPUs share would be written by each of them.
  public private(set) var markCount = 0

  /// The units of `cpuCount` CPUs, which remember nothing and have no tables.
  public init(cpuCount: Int) { units = Array(repeating: Unit(), count: cpuCount) }

  /// The units that this thread's CPUs use.
  static var current: SimulatedMMU? {
    apus_simulated_processor().pointee.mmu.map {
      Unmanaged<SimulatedMMU>.fromOpaque($0).takeUnretainedValue()
    }
  }

  /// Makes these the units of the CPUs that this thread plays; whoever calls keeps them alive until
  /// `useNoneOnThisThread`.
  public func useOnThisThread() {
    apus_simulated_processor().pointee.mmu = Unmanaged.passUnretained(self).toOpaque()
  }

  /// Takes back `useOnThisThread`.
  public static func useNoneOnThisThread() { apus_simulated_processor().pointee.mmu = nil }

  func root(of cpu: Int) -> UInt64 { units[cpu].root }

  func use(root: UInt64, on cpu: Int) {
    units[cpu].root = root
    units[cpu].buffer.forgetAll()
  }

  func forget(_ address: UInt64, on cpu: Int) { units[cpu].buffer.forget(address) }

  func forgetAll(on cpu: Int) { units[cpu].buffer.forgetAll() }

  /// A page that a CPU remembers.
  public struct RememberedPage {
    /// The first virtual address.
    public let address: UInt64
    /// Its size in bytes.
    public let byteCount: UInt64
    /// The physical address.
    public let physical: UInt64
    /// Whether it may be written.
    public let isWritable: Bool
    /// Whether it may be executed.
    public let isExecutable: Bool
  }

  /// All pages that a CPU remembers: what a test compares with the tables.
  public func rememberedPages(of cpu: Int) -> [RememberedPage] { units[cpu].buffer.rememberedPages }

  /// Reads the word at a virtual address, a multiple of 8, as the current CPU.
  public func read(_ address: UInt64) throws(SimulatedPageFault) -> UInt64 {
    explore(.read, at: address)
    let physical = try translate(address, .read)
    guard let word = Self.word(at: physical) else { return 0 }
    explore(.access, at: UInt64(UInt(bitPattern: word)), byteCount: 8)
    return apus_simulated_load(word)
  }

  /// Writes the word at a virtual address, a multiple of 8, as the current CPU.
  public func write(_ value: UInt64, to address: UInt64) throws(SimulatedPageFault) {
    explore(.write, at: address)
    let physical = try translate(address, .write)
    guard let word = Self.word(at: physical) else { return }
    explore(.access, at: UInt64(UInt(bitPattern: word)), byteCount: 8)
    apus_simulated_store(word, value)
    exploreWritten()
  }

  /// Fetches an instruction at a virtual address, as the current CPU.
  public func fetch(_ address: UInt64) throws(SimulatedPageFault) {
    explore(.read, at: address)
    _ = try translate(address, .execute)
  }

  private static func word(at physical: UInt64) -> UnsafeMutablePointer<UInt64>? {
    PhysicalMemoryWindow.pointer(to: physical)?.assumingMemoryBound(to: UInt64.self)
  }

  private func translate(
    _ address: UInt64, _ access: SimulatedPageFault.Access
  ) throws(SimulatedPageFault) -> UInt64 {
    let cpu = Processor.index
    if let (page, level) = units[cpu].buffer.page(of: address) {
      if !page.permits(access) {
        // The fault makes the CPU forget what it had (volume 3, 4.10.4.1).
        units[cpu].buffer.forget(address)
        throw SimulatedPageFault(address: address, access: access, isProtectionViolation: true)
      }
      if access != .write || page.isDirty {
        return page.physical + address % PageTableFormat.span(level: level)
      }
      // The first write has to mark the entry, so it is read again.
    }
    while true {
      if let physical = try walk(address, access, cpu: cpu) { return physical }
    }
  }

  /// Reads the tables from the lowest one that is remembered; `nil` when an entry changed between
  /// being read and being marked.
  private func walk(
    _ address: UInt64, _ access: SimulatedPageFault.Access, cpu: Int
  ) throws(SimulatedPageFault) -> UInt64? {
    var level = PageTableFormat.rootLevel
    var path = TranslationBuffer.Translation(
      physical: units[cpu].root, isWritable: true, isExecutable: true, isDirty: false)
    if let (table, lowest) = units[cpu].buffer.table(of: address) {
      (path, level) = (table, lowest)
    }
    while true {
      let place = path.physical + UInt64(PageTableFormat.index(of: address, level: level)) * 8
      guard let word = Self.word(at: place) else {
        throw SimulatedPageFault(address: address, access: access, isProtectionViolation: false)
      }
      explore(.walk, at: UInt64(UInt(bitPattern: word)), byteCount: 8)
      let entry = PageTableEntry(rawValue: apus_simulated_load(word))
      guard entry.isPresent else {
        units[cpu].buffer.forget(address)
        throw SimulatedPageFault(address: address, access: access, isProtectionViolation: false)
      }
      path.physical = entry.address
      path.isWritable = path.isWritable && entry.permissions.contains(.write)
      path.isExecutable = path.isExecutable && entry.permissions.contains(.execute)
      let isPage = entry.isPage(level: level)
      if isPage && !path.permits(access) {
        units[cpu].buffer.forget(address)
        throw SimulatedPageFault(address: address, access: access, isProtectionViolation: true)
      }
      // The mark is set by the same locked access that finds the entry unchanged.
      var marked = entry
      marked.rawValue |= PageTableEntry.accessed
      if isPage && access == .write { marked.rawValue |= PageTableEntry.dirty }
      if marked != entry {
        guard apus_simulated_compare_exchange(word, entry.rawValue, marked.rawValue) else {
          return nil
        }
        markCount += 1
        exploreWritten()
      }
      if isPage {
        path.isDirty = marked.rawValue & PageTableEntry.dirty != 0
        units[cpu].buffer.rememberPage(path, of: address, level: level)
        return path.physical + address % PageTableFormat.span(level: level)
      }
      level -= 1
      units[cpu].buffer.rememberTable(path, of: address, level: level)
    }
  }
}

extension TranslationBuffer.Translation {
  func permits(_ access: SimulatedPageFault.Access) -> Bool {
    switch access {
    case .read: true
    case .write: isWritable
    case .execute: isExecutable
    }
  }
}
#endif
