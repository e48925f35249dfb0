import GuestTesting

@main
struct GuestTests {
  static func main() {
    TestSuite.run([BootTests.suite])
  }
}
