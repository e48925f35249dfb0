#if hasFeature(Embedded)
import Boot
import Console
import FileSystem
import Machine
import Scheduler

/// The files that were handed over with the image: an archive in memory, read in place.
///
/// Its table of contents is read when the application first asks for it, so one that has no files
/// neither waits for them nor has the reader of archives in its image.
public enum InitialFiles {
  // Where the archive is. Written by the boot CPU before the application runs.
  private static let start = Atomic<UInt64>(0)
  private static let byteCount = Atomic<UInt64>(0)

  private static let reading = Once()
  // Written inside of `reading`.
  private static let address = Atomic<UInt64>(0)

  /// The files; `nil` when none were handed over. Threads only; the first call reads the archive.
  public static var tree: UnsafePointer<FileTree>? {
    reading.run { read() }
    return UnsafePointer(bitPattern: UInt(address.load(ordering: .relaxed)))
  }

  /// Remembers where the first module is. Its memory has been reserved.
  static func adopt(_ startInfo: StartInfo, _ memory: IdentityMappedMemory) {
    guard startInfo.moduleCount > 0 else { return }
    do throws(StartInfoError) {
      let module = try startInfo.module(0, in: memory)
      start.store(module.range.start.rawValue, ordering: .relaxed)
      byteCount.store(module.range.byteCount, ordering: .relaxed)
    } catch {
      StartUpFailure.stop("\(error)")
    }
  }

  /// Reads the table of contents. A broken archive ends the machine: an application that misses
  /// half of its files would do worse.
  private static func read() {
    let start = start.load(ordering: .relaxed)
    let byteCount = byteCount.load(ordering: .relaxed)
    guard byteCount > 0 else { return }
    guard start &+ byteCount <= BootMemory.mappedAtStart else {
      fail("the files lie above 4 GiB: give the machine less memory")
    }
    let bytes = UnsafeRawBufferPointer(
      start: PhysicalMemoryWindow.pointer(to: start), count: Int(byteCount))
    do throws(ArchiveError) {
      let tree = UnsafeMutablePointer<FileTree>.allocate(capacity: 1)
      tree.initialize(to: try FileTree(bytes))
      address.store(UInt64(UInt(bitPattern: tree)), ordering: .relaxed)
      Log.info("\(tree.pointee.count) files and directories in \(bytes.count) bytes")
    } catch {
      fail("the archive of files is broken: \(error.description)")
    }
  }

  private static func fail(_ reason: LogMessage) -> Never {
    Log.error(reason)
    ConsoleDevice.close {
      ConsoleDevice.recordUnlocked("panic")
      PowerControl.powerOff(code: PowerOffCode.panic)
    }
  }
}
#endif
