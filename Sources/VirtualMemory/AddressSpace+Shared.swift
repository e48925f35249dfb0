extension AddressSpace {
  /// The application's address space, which every CPU uses from its start on.
  public static let shared = AddressSpace()

  /// Where addresses begin that mean something else on each CPU, see `mapLocal`: up to `lowestAddress`.
  public static let localAddresses: UInt64 = lowestAddress - 1 << 39
  /// Where the application's addresses begin: above all that is the kernel's.
  public static let lowestAddress: UInt64 = 0x2000_0000_0000
  /// One more than the application's last address: 64 entries of the root.
  public static let addressLimit: UInt64 = 0x4000_0000_0000
}
