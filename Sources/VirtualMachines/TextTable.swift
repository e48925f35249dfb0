/// Rows of text as a terminal shows them: columns as wide as their widest cell.
enum TextTable {
  /// The lines for rows of the same number of cells; the first has the headings. Columns of numbers are set
  /// to the right, those of `text` to the left.
  static func lines(_ rows: [[String]], text: Set<Int> = []) -> [String] {
    if rows.isEmpty { return [] }
    return aligned(rows, texts: text).split(separator: "\n").map { line in
      var line = line
      while line.last == " " { line.removeLast() }
      return String(line)
    }
  }

  /// Aligns rows of as many cells: the columns of `texts` to the left, those of numbers to the right. All lines
  /// are as long, and each has its end.
  static func aligned(_ rows: [[String]], texts: Set<Int> = [0]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return texts.contains(column) ? row[column] + padding : padding + row[column]
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }
}
