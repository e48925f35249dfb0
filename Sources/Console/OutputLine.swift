import CMachine
import Machine

/// The line that a thread is composing by `print`, which hands over byte after byte: kept back until
/// it is complete, so that lines of different threads never mix however long they are. In the heap, from
/// the line's first byte to its last.
struct OutputLine: ~Copyable {
  private static let initialByteCount = 256

  private var bytes: UnsafeMutableRawBufferPointer
  private var count = 0

  private init() {
    bytes = .allocate(byteCount: Self.initialByteCount, alignment: 16)
  }

  deinit { bytes.deallocate() }

  /// Adds a byte to the running thread's line and writes that when it is complete.
  static func append(_ byte: UInt8) {
    guard let thread = ThreadHeader.current else { return }
    let line: UnsafeMutablePointer<OutputLine>
    if let begun = thread.pointee.line {
      line = begun.assumingMemoryBound(to: OutputLine.self)
    } else {
      line = .allocate(capacity: 1)
      line.initialize(to: OutputLine())
      thread.pointee.line = UnsafeMutableRawPointer(line)
    }
    line.pointee.append(byte)
    if byte == 0x0A { end(thread) }
  }

  /// Writes what there is of a thread's line.
  static func end(_ thread: UnsafeMutablePointer<ThreadHeader>) {
    guard let line = thread.pointee.line?.assumingMemoryBound(to: OutputLine.self) else { return }
    thread.pointee.line = nil
    ConsoleDevice.writeOutput(
      UnsafeRawBufferPointer(rebasing: line.pointee.bytes[..<line.pointee.count]))
    line.deinitialize(count: 1)
    line.deallocate()
  }

  @inline(__always)
  private mutating func append(_ byte: UInt8) {
    if count == bytes.count { grow() }
    bytes[count] = byte
    count += 1
  }

  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes.count * 4, alignment: 16)
    larger.copyMemory(from: UnsafeRawBufferPointer(bytes))
    bytes.deallocate()
    bytes = larger
  }
}

extension ConsoleDevice {
  /// Writes out the running thread's incomplete line, if there is one. Not in interrupts.
  public static func flushOutput() {
    if let thread = ThreadHeader.current { OutputLine.end(thread) }
  }
}

/// Writes out the incomplete line of the running thread, which ends.
@c(apus_end_output)
public func endOutput() { ConsoleDevice.flushOutput() }

#if hasFeature(Embedded)
/// What `print` calls for each byte. Not for interrupt handlers.
@c(putchar)
public func putchar(_ character: Int32) -> Int32 {
  OutputLine.append(UInt8(truncatingIfNeeded: character))
  return character
}
#endif
