import Machine
import PerCPU

/// The line that a CPU is composing by `print`, which hands over byte after byte: kept back until
/// it is complete, so that lines of different CPUs never mix however long they are.
struct OutputBuffer: ~Copyable {
  private var bytes: UnsafeMutableRawBufferPointer
  private var count = 0

  init(_ initial: UnsafeMutableRawBufferPointer) { bytes = initial }

  /// Adds a byte and writes the line when it is complete.
  mutating func append(_ byte: UInt8) {
    if count == bytes.count { grow() }
    bytes[count] = byte
    count += 1
    if byte == 0x0A { flush() }
  }

  /// Writes what there is.
  mutating func flush() {
    guard count > 0 else { return }
    ConsoleDevice.writeOutput(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    count = 0
  }

  /// The first buffer is a part of the CPU's storage and stays there; larger ones follow in the
  /// heap and are kept, since a program with one long line will have another.
  private mutating func grow() {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes.count * 4, alignment: 16)
    larger.copyMemory(from: UnsafeRawBufferPointer(bytes))
    if bytes.count > OutputBuffers.initialByteCount { bytes.deallocate() }
    bytes = larger
  }
}

/// The buffers of all CPUs.
enum OutputBuffers {
  static let initialByteCount = 256
  static let all = CPULocal<OutputBuffer>()
}

extension ConsoleDevice {
  /// Memory that buffered output needs for `count` CPUs.
  public static func bufferByteCount(for count: Int) -> Int {
    CPULocal<OutputBuffer>.byteCount(for: count) + OutputBuffers.initialByteCount * count
  }

  /// Makes `putchar` and `print` work; `storage` is never freed. On the boot CPU.
  public static func enableBuffers(in storage: UnsafeMutableRawPointer, count: Int) {
    let lines = storage + CPULocal<OutputBuffer>.byteCount(for: count)
    OutputBuffers.all.initialize(in: storage, count: count) { cpu in
      OutputBuffer(
        UnsafeMutableRawBufferPointer(
          start: lines + cpu.index * OutputBuffers.initialByteCount,
          count: OutputBuffers.initialByteCount))
    }
  }

  /// Writes out this CPU's incomplete line, if there is one.
  public static func flushOutput() {
    if OutputBuffers.all.isInitialized { OutputBuffers.all.withCurrent { $0.flush() } }
  }
}

#if hasFeature(Embedded)
/// What `print` calls for each byte. Not for interrupt handlers.
@c(putchar)
public func putchar(_ character: Int32) -> Int32 {
  if OutputBuffers.all.isInitialized {
    OutputBuffers.all.withCurrent { $0.append(UInt8(truncatingIfNeeded: character)) }
  }
  return character
}
#endif
