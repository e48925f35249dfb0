#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Starting the other CPUs (volume 3, 9.4): INIT, then a start-up IPI with the trampoline's page.
public enum SecondaryProcessors {
  /// The highest address (exclusive) that a start-up IPI can name, and the bytes needed there.
  public static let trampolineLimit: UInt64 = 0x10_0000
  public static let trampolineSize: UInt64 = 4096

  /// One CPU to start.
  public typealias Entry = apus_secondary

  /// Makes an entry: hardware id, index, and the top of the stack that it starts on.
  public static func entry(hardwareID: UInt32, index: Int, stackTop: UInt) -> Entry {
    apus_secondary(apic_id: hardwareID, index: UInt32(index), stack_top: UInt64(stackTop))
  }

  /// Starts all CPUs in `entries` at the same time; returns when they have been told. Each then
  /// runs `apus_secondary_boot(index)`. `entries` must stay where it is.
  ///
  /// Under a VMM nothing has to be waited for: an INIT is done when the command is. Bare metal
  /// wants 10 ms after it, and a second start-up IPI after 200 µs (volume 3, 9.4.4.1).
  public static func start(
    _ entries: UnsafeMutableBufferPointer<Entry>, trampoline: UInt64
  ) {
    guard let page = UnsafeMutableRawPointer(bitPattern: UInt(trampoline)),
      let source = UnsafeRawPointer(bitPattern: UInt(apus_trampoline_address()))
    else { return }
    page.copyMemory(from: source, byteCount: Int(apus_trampoline_size()))
    let parameters = apus_trampoline_parameters(
      gdt_limit: 31, gdt_base: UInt32(apus_boot_gdt_address()), padding: 0,
      cr0: UInt32(ControlRegisters.cr0), cr3: UInt32(apus_read_cr3()),
      cr4: UInt32(ControlRegisters.cr4Base), efer: UInt32(ControlRegisters.efer))
    (page + Int(apus_trampoline_parameters_offset())).storeBytes(
      of: parameters, as: apus_trampoline_parameters.self)
    let list = apus_secondary_list()
    list?.pointee.entries = entries.baseAddress
    list?.pointee.count = UInt64(entries.count)
    memoryFence(ordering: .sequentiallyConsistent)

    for entry in entries { LocalAPIC.send(.initialise, vector: 0, to: entry.apic_id) }
    if !ProcessorFeatures.isVirtual { spin(nanoseconds: 10_000_000) }
    let vector = UInt8(trampoline >> 12)
    for entry in entries { LocalAPIC.send(.startUp, vector: vector, to: entry.apic_id) }
    if !ProcessorFeatures.isVirtual {
      spin(nanoseconds: 200_000)
      for entry in entries { LocalAPIC.send(.startUp, vector: vector, to: entry.apic_id) }
    }
  }

  private static func spin(nanoseconds: UInt64) {
    let end = MonotonicClock.nanoseconds + nanoseconds
    while MonotonicClock.nanoseconds < end { Processor.pause() }
  }
}
#endif
