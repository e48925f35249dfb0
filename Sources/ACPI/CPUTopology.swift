import Boot

/// The processors and interrupt controllers that the firmware says are there.
///
/// It holds no list and so has no limit: the table is walked anew on every question.
public struct CPUTopology: Equatable, Sendable {
  /// Where the knowledge comes from.
  public enum Source: Equatable, Sendable {
    /// The ACPI table.
    case madt(MADT)
    /// The table of the MultiProcessor specification.
    case mpTable(MPTable)
    /// Nowhere: only the boot processor is known, by its mere running.
    case none
  }

  /// Where the knowledge comes from.
  public let source: Source
  /// Why the MADT is not the source; nil when it is.
  public let madtFailure: FirmwareTableError?
  /// Why the MP table is not the source; nil when it is, or was not asked since there is a MADT.
  public let mpTableFailure: FirmwareTableError?
  /// The physical address of every processor's own local APIC.
  public let localAPICAddress: UInt64
  /// Whether there may be a pair of 8259 interrupt controllers, which must be masked.
  public let hasLegacyPIC: Bool
  /// How often `forEachProcessor` calls back; 0 without a source.
  public let processorCount: Int

  /// Asks the MADT and then, if there is no sound one with a processor in it, the MP table.
  ///
  /// - Parameter root: the ACPI root table, or why there is none.
  public static func discover(
    root: Result<RootTable, FirmwareTableError>, in memory: some PhysicalMemoryReader
  ) -> CPUTopology {
    var madtFailure: FirmwareTableError?
    do throws(FirmwareTableError) {
      let root = try root.get()
      guard let address = root.address(of: "APIC", in: memory) else { throw .missing(.madt) }
      let madt = try MADT(at: address, in: memory)
      guard madt.enabledProcessorCount > 0 else { throw .noProcessors(.madt) }
      return CPUTopology(
        source: .madt(madt), madtFailure: nil, mpTableFailure: nil,
        localAPICAddress: madt.localAPICAddress, hasLegacyPIC: madt.hasLegacyPIC,
        processorCount: madt.enabledProcessorCount)
    } catch {
      madtFailure = error
    }
    var mpTableFailure: FirmwareTableError?
    do throws(FirmwareTableError) {
      let table = try MPTable.locate(in: memory)
      guard table.enabledProcessorCount > 0 else { throw .noProcessors(.mpConfigurationTable) }
      return CPUTopology(
        source: .mpTable(table), madtFailure: madtFailure, mpTableFailure: nil,
        localAPICAddress: table.localAPICAddress, hasLegacyPIC: true,
        processorCount: table.enabledProcessorCount)
    } catch {
      mpTableFailure = error
    }
    return CPUTopology(
      source: .none, madtFailure: madtFailure, mpTableFailure: mpTableFailure,
      localAPICAddress: 0xFEE0_0000, hasLegacyPIC: true, processorCount: 0)
  }

  /// Hands the id of every processor that can be started, the boot processor included, to `body`
  /// in the firmware's order. Broken firmware may give an id twice: the caller must drop it.
  public func forEachProcessor(in memory: some PhysicalMemoryReader, _ body: (APICID) -> Void) {
    switch source {
    case .madt(let madt):
      madt.forEachEntry(in: memory) { entry in
        if case .processor(let id, enabled: true, _) = entry { body(id) }
      }
    case .mpTable(let table):
      table.forEachEntry(in: memory) { entry in
        if case .processor(let id, enabled: true, _) = entry { body(id) }
      }
    case .none:
      break
    }
  }

  /// Hands every I/O APIC to `body`, in the firmware's order.
  public func forEachIOAPIC(in memory: some PhysicalMemoryReader, _ body: (IOAPIC) -> Void) {
    switch source {
    case .madt(let madt):
      madt.forEachEntry(in: memory) { entry in
        if case .ioAPIC(let controller) = entry { body(controller) }
      }
    case .mpTable(let table):
      table.forEachEntry(in: memory) { entry in
        if case .ioAPIC(let controller) = entry { body(controller) }
      }
    case .none:
      break
    }
  }

  /// Hands every interrupt of the old PC that arrives elsewhere to `body`; there are none without
  /// a MADT.
  public func forEachInterruptSourceOverride(
    in memory: some PhysicalMemoryReader, _ body: (InterruptSourceOverride) -> Void
  ) {
    guard case .madt(let madt) = source else { return }
    madt.forEachEntry(in: memory) { entry in
      if case .interruptSourceOverride(let override) = entry { body(override) }
    }
  }
}
