import Apus

/// A picture as a portable pixmap: a header in text and three bytes for each pixel.
enum Pixmap {
  /// Writes a picture, given row by row from the top, to standard output.
  static func write(_ rows: [[UInt8]], width: Int) {
    Console.write("P6\n\(width) \(rows.count)\n255\n")
    for row in rows { row.withUnsafeBytes { Console.write($0) } }
  }
}
