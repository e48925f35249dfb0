import GuestTesting

@main
struct GuestTests {
  static func main() {
    TestSuite.run([
      BootTests.suite, InterruptTests.suite, TimeTests.suite, MemoryTests.suite, SoakTests.suite,
      LockTests.suite, FaultTests.suite, MappingTests.suite, ThreadTests.suite,
      TrapTests.suite,
    ])
  }
}
