#if hasFeature(Embedded)
import Boot

/// Numbers on the kernel's command line that the start-up obeys.
struct BootOptions {
  /// `cpus.claim=ID`: starts a CPU with this hardware id too, whatever the firmware lists. For
  /// firmware that forgets one, and to see what happens when there is none.
  let claimedCPU: UInt64?
  /// `cpus.patience=MILLISECONDS`: how long a CPU may take to start after the last one that did.
  let patienceInMilliseconds: UInt64
  /// `trace=COUNT`: how many events of each CPU are recorded, a power of two; 0 if none are.
  let traceEventCount: Int

  init(_ line: KernelCommandLine<some PhysicalMemoryReader>) {
    claimedCPU = Self.number("cpus.claim", in: line)
    patienceInMilliseconds = Self.number("cpus.patience", in: line) ?? 10_000
    let count = Swift.min(Self.number("trace", in: line) ?? 0, 1 << 20)
    traceEventCount = count == 0 ? 0 : 1 << (63 - count.leadingZeroBitCount)
  }

  /// The decimal number that is an option's value; `nil` without one, or when it is none.
  private static func number(
    _ key: StaticString, in line: KernelCommandLine<some PhysicalMemoryReader>
  ) -> UInt64? {
    guard let bytes = line.value(of: key), !bytes.isEmpty else { return nil }
    var result: UInt64? = 0
    line.decode(bytes) { byte in
      guard let value = result, byte >= 0x30, byte <= 0x39, value < 1 << 56 else {
        result = nil
        return
      }
      result = value * 10 + UInt64(byte - 0x30)
    }
    return result
  }
}
#endif
