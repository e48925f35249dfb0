#if hasFeature(Embedded)
import Boot
import Console
import VirtualMemory

/// Numbers on the kernel's command line that the start-up obeys.
struct BootOptions {
  /// `cpus.claim=ID`: starts a CPU with this hardware id too, whatever the firmware lists. For
  /// firmware that forgets one, and to see what happens when there is none.
  let claimedCPU: UInt64?
  /// `cpus.patience=MILLISECONDS`: how long a CPU may take to start after the last one that did.
  let patienceInMilliseconds: UInt64
  /// `vm.scheme=shared` or `vm.scheme=per-cpu`: how much of the page tables each CPU has for itself.
  let pageTableScheme: PageTableScheme
  /// `trace=COUNT`: how many events of each CPU are recorded, a power of two; 0 if none are.
  let traceEventCount: Int
  /// `stats=1`: what CPUs and threads do is counted, and told at the end.
  let wantsStatistics: Bool
  /// `threads=cooperative`: threads run until they wait, end or yield.
  let isCooperative: Bool

  init(_ line: KernelCommandLine<some PhysicalMemoryReader>) {
    claimedCPU = Self.number("cpus.claim", in: line)
    pageTableScheme = Self.scheme(in: line)
    patienceInMilliseconds = Self.number("cpus.patience", in: line) ?? 10_000
    wantsStatistics = Self.number("stats", in: line) == 1
    isCooperative = line.value(of: "threads").map { line.matches($0, "cooperative") } ?? false
    let count = Swift.min(Self.number("trace", in: line) ?? 0, 1 << 20)
    traceEventCount = count == 0 ? 0 : 1 << (63 - count.leadingZeroBitCount)
  }

  /// The scheme of that name; an unknown one is reported, and the usual one is used.
  private static func scheme(
    in line: KernelCommandLine<some PhysicalMemoryReader>
  ) -> PageTableScheme {
    guard let bytes = line.value(of: "vm.scheme") else { return .shared }
    var name: UInt64 = 0
    line.decode(bytes) { name = name << 8 | UInt64($0) }
    // The names as numbers: strings that are compared cost the image tables.
    switch name {
    case 0x73_6861_7265_64: return .shared
    case 0x70_6572_2D63_7075: return .perCPU
    default:
      Log.warning("vm.scheme is neither shared nor per-cpu: the tables are shared")
      return .shared
    }
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
