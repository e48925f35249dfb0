import Apus
import GuestTesting

/// The clock and the timers.
enum TimeTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Time",
      [
        Test("time never goes back on a CPU") { t in
          CPUSet.online.run { cpu in
            var last = MonotonicClock.nanoseconds
            for _ in 0..<20_000 {
              let now = MonotonicClock.nanoseconds
              if now < last { t.fail("back by \(last - now) ns on CPU \(cpu.index)") }
              last = now
            }
          }
        },
        Test("time never goes back between CPUs", minimumCPUs: 2) { t in
          let latest = Atomic<UInt64>(0)
          CPUSet.online.run { cpu in
            for _ in 0..<5_000 {
              let seen = latest.load(ordering: .acquiring)
              let now = MonotonicClock.nanoseconds
              if now < seen { t.fail("behind by \(seen - now) ns on CPU \(cpu.index)") }
              _ = latest.compareExchange(
                expected: seen, desired: now, ordering: .acquiringAndReleasing)
            }
          }
        },
        Test("a sleep lasts at least its time") { t in
          for milliseconds in [UInt64(0), 1, 5, 20] {
            let start = MonotonicClock.nanoseconds
            sleep(nanoseconds: milliseconds * 1_000_000)
            let slept = MonotonicClock.nanoseconds - start
            t.expect(slept >= milliseconds * 1_000_000, "\(slept) ns for \(milliseconds) ms")
            t.expect(slept < 2_000_000_000, "\(slept) ns for \(milliseconds) ms")
          }
        },
        Test("every CPU has a timer of its own") { t in
          CPUSet.online.run { cpu in
            let time = UInt64(cpu.index % 7 + 1) * 2_000_000
            let start = MonotonicClock.nanoseconds
            sleep(nanoseconds: time)
            let slept = MonotonicClock.nanoseconds - start
            t.expect(slept >= time, "\(slept) ns for \(time) on CPU \(cpu.index)")
            t.expect(slept < time + 2_000_000_000, "\(slept) ns for \(time) on CPU \(cpu.index)")
          }
        },
      ])
  }
}
