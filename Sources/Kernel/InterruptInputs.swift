#if hasFeature(Embedded)
import ACPI
import Boot
import Console
import Interrupts
import Machine
import PhysicalMemory
import VirtualMemory

/// Where the firmware's table of interrupt controllers is, found again when the first driver asks: a machine
/// without drivers pays for one word.
enum InterruptTables {
  /// The address, with the highest bit set for the table of the MultiProcessor specification; 0 for none. Any
  /// address will do for ACPI's.
  private static let place = BootConstant<UInt64>(0)

  private static var isMPTable: UInt64 { 1 << 63 }

  /// Remembers where it is. On the boot CPU.
  static func remember(_ topology: CPUTopology) {
    switch topology.source {
    case .madt(let madt): place.set(madt.address)
    case .mpTable(let table): place.set(table.floatingPointerAddress | isMPTable)
    case .none: break
    }
  }

  /// Fills in the controllers and where the lines of ISA arrive. In threads, when no other CPU uses the
  /// controllers.
  static func fill(_ inputs: inout InterruptInputs) {
    let memory = IdentityMappedMemory()
    let address = place.value
    if address == 0 { return }
    if address & isMPTable != 0 {
      guard let table = try? MPTable(at: address & ~isMPTable, in: memory) else { return }
      table.forEachEntry(in: memory) { entry in
        if case .ioAPIC(let controller) = entry { add(controller, to: &inputs) }
      }
      return
    }
    guard let madt = try? MADT(at: address, in: memory) else { return }
    madt.forEachEntry(in: memory) { entry in
      switch entry {
      case .ioAPIC(let controller): add(controller, to: &inputs)
      case .interruptSourceOverride(let override):
        inputs.setISA(
          override.source, override.interrupt,
          InterruptTrigger(isLevel: override.isLevel, isInverted: override.isActiveLow))
      default: break
      }
    }
  }

  private static func add(_ controller: IOAPIC, to inputs: inout InterruptInputs) {
    // No CPU has used these addresses.
    let page = PageTableFormat.span(level: 1)
    let start = controller.address & ~(page - 1)
    guard controller.address < BootMemory.mappedAtStart,
      (try? KernelAddressSpace.shared.mapPhysical(
        PhysicalRange(start: start, byteCount: page), [.write, .device])) != nil
    else {
      Log.warning("the interrupt controller at \(hex: controller.address) is out of reach")
      return
    }
    inputs.controllers.add(address: controller.address, firstLine: controller.interruptBase)
  }
}

/// What the module Interrupts asks when the first handler is registered.
@c(apus_find_interrupt_inputs)
public func findInterruptInputs(_ inputs: UnsafeMutableRawPointer) {
  InterruptTables.fill(&inputs.assumingMemoryBound(to: InterruptInputs.self).pointee)
}
#endif
