/// Rows of text as a terminal shows them: columns as wide as their widest cell.
enum TextTable {
  /// The lines for rows of the same number of cells; the first has the headings. Columns of numbers are set
  /// to the right, those of `text` to the left.
  static func lines(_ rows: [[String]], text: Set<Int> = []) -> [String] {
    guard let headings = rows.first else { return [] }
    let widths = headings.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return text.contains(column) ? row[column] + padding : padding + row[column]
      }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
