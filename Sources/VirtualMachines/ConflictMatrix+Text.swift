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
        for group in cell.groups { text += group.text }
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
  /// Lines that the same code touches, on whatever CPUs.
  struct Group: Equatable {
    var objects: [String]
    var functions: [ConflictReport.Function]

    /// Two objects by name, and the functions with all CPUs on which they touch one of the lines.
    var text: String {
      var text = "  \(objects.count) \(objects.count == 1 ? "line" : "lines"): "
      var names: [String] = []
      for object in objects where !names.contains(object) { names.append(object) }
      text += names.prefix(2).joined(separator: "; ")
      text += names.count > 2 ? "; and \(names.count - 2) alike\n" : "\n"
      for function in functions { text += "    \(function.text)\n" }
      return text
    }
  }

  var groups: [Group] {
    var groups: [Group] = []
    for line in lines {
      let functions = line.functions.sorted { $0.name < $1.name }
      let index = groups.firstIndex { $0.functions.elementsEqual(functions, by: Self.areAlike) }
      guard let index else {
        groups.append(Group(objects: [line.object], functions: functions))
        continue
      }
      groups[index].objects.append(line.object)
      for (number, function) in functions.enumerated() {
        groups[index].functions[number].add(function)
      }
    }
    return groups
  }

  private static func areAlike(
    _ first: ConflictReport.Function, _ second: ConflictReport.Function
  ) -> Bool {
    first.name == second.name && first.readers.isEmpty == second.readers.isEmpty
      && first.writers.isEmpty == second.writers.isEmpty
  }

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

extension ConflictReport.Function {
  /// Adds what the same function does on other CPUs and at other places.
  fileprivate mutating func add(_ other: ConflictReport.Function) {
    readers = Set(readers + other.readers).sorted()
    writers = Set(writers + other.writers).sorted()
    for place in other.places ?? [] where places?.contains(place) == false { places?.append(place) }
  }
}
