#if hasFeature(Embedded)
import Boot
import Console
import FileSystem
import Machine

/// The files that were handed over with the image: an archive in memory, read in place.
public enum InitialFiles {
  // Written once by the boot CPU before the application runs.
  private static let address = Atomic<UInt64>(0)

  /// The files; `nil` when none were handed over.
  public static var tree: UnsafePointer<FileTree>? {
    UnsafePointer(bitPattern: UInt(address.load(ordering: .acquiring)))
  }

  /// Reads the first module's table of contents. A broken archive ends the machine: an
  /// application that misses half of its files would do worse.
  static func mount(_ startInfo: StartInfo, _ memory: IdentityMappedMemory) {
    guard startInfo.moduleCount > 0 else { return }
    let module: StartInfo.Module
    do throws(StartInfoError) {
      module = try startInfo.module(0, in: memory)
    } catch {
      StartUpFailure.stop("\(error)")
    }
    guard !module.range.isEmpty else { return }
    guard module.range.end.rawValue <= BootMemory.mappedAtStart else {
      StartUpFailure.stop("the files lie above 4 GiB: give the machine less memory")
    }
    let bytes = UnsafeRawBufferPointer(
      start: PhysicalMemoryWindow.pointer(to: module.range.start.rawValue),
      count: Int(module.range.byteCount))
    do throws(ArchiveError) {
      let tree = UnsafeMutablePointer<FileTree>.allocate(capacity: 1)
      tree.initialize(to: try FileTree(bytes))
      address.store(UInt64(UInt(bitPattern: tree)), ordering: .releasing)
      Log.info("\(tree.pointee.count) files and directories in \(bytes.count) bytes")
    } catch {
      StartUpFailure.stop("the archive of files is broken: \(error.description)")
    }
  }
}
#endif
