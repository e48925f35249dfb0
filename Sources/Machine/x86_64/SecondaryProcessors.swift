#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Starting the other CPUs (volume 3, 9.4): INIT, then a start-up IPI with the trampoline's page.
public enum SecondaryProcessors {
  /// The highest address (exclusive) that a start-up IPI can name.
  public static let trampolineLimit: UInt64 = 0x10_0000

  /// One CPU to start.
  public typealias Entry = apus_secondary

  /// Makes an entry: hardware id, index, and the top of the stack that it starts on.
  public static func entry(hardwareID: UInt32, index: Int, stackTop: UInt) -> Entry {
    apus_secondary(apic_id: hardwareID, index: UInt32(index), stack_top: UInt64(stackTop))
  }

  /// The code for `entries` at `address`, a page below 1 MiB. `entries` must stay where it is.
  public static func prepare(
    _ entries: UnsafeMutableBufferPointer<Entry>, at address: UInt64
  ) -> Trampoline {
    if let page = UnsafeMutableRawPointer(bitPattern: UInt(address)),
      let source = UnsafeRawPointer(bitPattern: UInt(apus_trampoline_address()))
    {
      page.copyMemory(from: source, byteCount: Int(apus_trampoline_size()))
      let parameters = apus_trampoline_parameters(
        gdt_limit: 23, gdt_base: UInt32(apus_boot_gdt_address()), padding: 0,
        cr0: UInt32(ControlRegisters.cr0), cr3: UInt32(apus_read_cr3()),
        cr4: UInt32(ControlRegisters.cr4), efer: UInt32(ControlRegisters.efer))
      (page + Int(apus_trampoline_parameters_offset())).storeBytes(
        of: parameters, as: apus_trampoline_parameters.self)
    }
    let list = apus_secondary_list()
    list?.pointee.entries = entries.baseAddress
    list?.pointee.count = UInt64(entries.count)
    return Trampoline(entries: entries, address: address)
  }

  /// CPUs that are ready to be started.
  public struct Trampoline {
    let entries: UnsafeMutableBufferPointer<Entry>
    let address: UInt64

    /// Starts all CPUs at the same time; returns when they have been told. Each then runs
    /// `apus_secondary_boot(index)`.
    ///
    /// Under a VMM nothing has to be waited for: an INIT is done when the command is. Bare metal
    /// wants 10 ms after it, and a second start-up IPI after 200 µs (volume 3, 9.4.4.1).
    public func start() {
      memoryFence(ordering: .sequentiallyConsistent)
      send(.initialise)
      if !ProcessorFeatures.isVirtual { spin(nanoseconds: 10_000_000) }
      send(.startUp)
      if !ProcessorFeatures.isVirtual {
        spin(nanoseconds: 200_000)
        send(.startUp)
      }
    }

    private func send(_ delivery: LocalAPIC.Delivery) {
      let vector = delivery == .startUp ? UInt8(address >> 12) : 0
      for entry in entries {
        Processor.withInterruptsDisabled {
          LocalAPIC.send(delivery, vector: vector, to: entry.apic_id)
        }
      }
    }
  }

  private static func spin(nanoseconds: UInt64) {
    let end = MonotonicClock.nanoseconds + nanoseconds
    while MonotonicClock.nanoseconds < end { Processor.pause() }
  }
}
#endif
