import Apus

/// Renders the Mandelbrot set on all CPUs and writes the picture to standard output as a portable pixmap.
///
///     apus run Examples/Mandelbrot -- --width 800 >mandelbrot.ppm
///
/// What each CPU did of it goes to standard error.
@main struct Mandelbrot {
  static func main() {
    do throws(Options.UsageError) {
      render(try Options(CommandLine.arguments.dropFirst()))
    } catch {
      Console.error(error.message)
      exit(64)
    }
  }

  private static func render(_ options: Options) {
    let plane = Plane(width: options.width, limit: options.limit)
    let rows = CPUSet.online.count == 1 ? "row" : "rows"
    let counts = RowCounts()
    let start = MonotonicClock.nanoseconds
    // A row in the middle of the set takes a hundred times as long as one at the border: the pieces that
    // are handed out become as small as it takes to keep all CPUs busy.
    let pixels = parallelMap(0..<plane.height) { row in
      counts.add(.current)
      return plane.pixels(ofRow: row)
    }
    let nanoseconds = MonotonicClock.nanoseconds - start

    Pixmap.write(pixels, width: plane.width)
    if Console.isQuiet { return }
    for cpu in CPUSet.online { Console.error("cpu\(cpu.index) \(counts[cpu]) \(rows)") }
    Console.error(
      "\(plane.width) x \(plane.height) pixels in \(nanoseconds / 1_000_000) ms on "
        + "\(CPUSet.online.count) CPUs")
  }
}
