import GuestTesting

@main
struct GuestTests {
  static func main() {
    TestSuite.run([
      BootTests.suite, InterruptTests.suite, DeviceInterruptTests.suite, TimeTests.suite,
      MemoryTests.suite, SoakTests.suite, LockTests.suite, FaultTests.suite, MappingTests.suite,
      AddressSpaceTests.suite, ShootdownTests.suite,
      SharedMemoryTests.suite, ThreadTests.suite, SchedulingTests.suite, MixedLoadTests.suite,
      BlockingTests.suite,
      TrapTests.suite,
    ])
  }
}
