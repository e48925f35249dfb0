extension ConflictMatrix {
  /// The tables, and after each the lines of the pairs that are asked for: those of the kernel that meet
  /// although they commute, or all.
  public func text(verbose: Bool) -> String {
    var text = ""
    for table in tables {
      text += "\(table.title)\n\(grid(table))"
      for cell in table.cells where cell.conflicts > 0 {
        guard verbose || cell.commute && table.design == .apus else { continue }
        text += "\n\(cell.first) / \(cell.second): "
        text += "\(cell.conflicts) \(cell.conflicts == 1 ? "line" : "lines")\n"
        text += ConflictReport.text(of: cell.lines)
      }
      text += "\n"
    }
    return text
  }

  /// One line for each operation, one column for each; each pair once.
  private func grid(_ table: Table) -> String {
    let columns = Self.columns.filter { column in
      table.cells.contains { $0.first == column.0 || $0.second == column.0 }
    }
    var text = String(repeating: " ", count: 16)
    for column in columns { text += Self.padded(column.1) }
    text += "\n"
    for row in columns {
      var line = row.0 + String(repeating: " ", count: 16 - row.0.count)
      for column in columns {
        let cell = table.cells.first { $0.first == column.0 && $0.second == row.0 }
        line += Self.padded(cell?.text ?? "")
      }
      while line.last == " " { line.removeLast() }
      text += line + "\n"
    }
    return text
  }

  private static func padded(_ text: String) -> String {
    String(repeating: " ", count: max(0, 6 - text.count)) + text
  }
}

extension ConflictMatrix.Cell {
  /// The number of lines; in brackets where the order matters.
  var text: String { commute ? "\(conflicts)" : "(\(conflicts))" }
}

extension ConflictMatrix.Table {
  /// What the table is of, and how many of its pairs meet nowhere.
  var title: String {
    let who = design == .apus ? "Apus" : "Locked areas, for comparison"
    let how =
      switch arguments {
      case .apart: "each its own"
      case .near: "own blocks in one page table"
      case .equal: "the same"
      }
    let tables = pageTables == PageTables.shared.rawValue ? "shared page tables" : "tables per CPU"
    let commuting = cells.filter(\.commute)
    let free = commuting.filter { $0.conflicts == 0 }
    return "\(who), \(cpus) CPUs, \(tables), \(how): "
      + "\(free.count) of \(commuting.count) pairs that commute share no line"
  }
}
