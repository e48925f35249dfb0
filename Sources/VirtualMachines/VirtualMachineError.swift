/// Why a virtual machine cannot be started.
public enum VirtualMachineError: Error, Equatable, CustomStringConvertible {
  /// `qemu-system-x86_64` is not on the PATH.
  case qemuMissing
  /// The image cannot be read, or is no image.
  case badImage(String)
  /// The memory cannot hold what is loaded into it.
  case memoryTooSmall(given: MemorySize, needed: MemorySize)
  /// The kernel's command line has more bytes than the loader hands over.
  case commandLineTooLong(bytes: Int)
  /// A number in the configuration is out of its range.
  case badConfiguration(String)
  /// The operating system refused something.
  case system(String)

  public var description: String {
    switch self {
    case .qemuMissing:
      "qemu-system-x86_64 is not on the PATH; install it: apt-get install qemu-system-x86"
    case .badImage(let message): message
    case .memoryTooSmall(let given, let needed):
      "\(given) of memory cannot hold the image and the root file system; use --memory \(needed)"
    case .commandLineTooLong(let bytes):
      "arguments and environment take \(bytes) bytes of the kernel's command line, which holds "
        + "\(VirtualMachineConfiguration.maximumCommandLineBytes); put them into a file of --rootfs"
    case .badConfiguration(let message): message
    case .system(let message): message
    }
  }

  /// The status with which `apus run` ends.
  public var exitStatus: Int32 { self == .qemuMissing ? 127 : 125 }
}
