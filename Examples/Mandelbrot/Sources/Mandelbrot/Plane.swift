/// The part of the complex plane that is shown, and what is known of its points.
struct Plane {
  let width: Int
  let height: Int
  /// After so many steps a point counts as one of the set.
  private let limit: Int

  /// The distance between two pixels.
  private let step: Double

  init(width: Int, limit: Int) {
    self.width = width
    self.limit = limit
    // Real part from -2.2 to 0.8, and 4 pixels wide for 3 high.
    height = max(width * 3 / 4, 1)
    step = 3.0 / Double(width)
  }

  /// The colours of a row from left to right, three bytes for each pixel.
  func pixels(ofRow row: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(3 * width)
    let imaginary = (Double(height) / 2 - Double(row)) * step
    for column in 0..<width {
      let count = escapeTime(-2.2 + Double(column) * step, imaginary)
      let (red, green, blue) = colour(count)
      bytes.append(red)
      bytes.append(green)
      bytes.append(blue)
    }
    return bytes
  }

  /// How many steps of z² + c it takes to leave the circle of radius 2; the limit if it takes more.
  private func escapeTime(_ real: Double, _ imaginary: Double) -> Int {
    var x = 0.0
    var y = 0.0
    for count in 0..<limit {
      let xSquared = x * x
      let ySquared = y * y
      if xSquared + ySquared > 4 { return count }
      y = 2 * x * y + imaginary
      x = xSquared - ySquared + real
    }
    return limit
  }

  /// Black for the set itself, and around it from dark blue to white and back.
  private func colour(_ count: Int) -> (UInt8, UInt8, UInt8) {
    if count == limit { return (0, 0, 0) }
    let phase = count * 8 % 512
    let level = UInt8(phase < 256 ? phase : 511 - phase)
    return (level / 2, level, 64 + level / 4 * 3)
  }
}
