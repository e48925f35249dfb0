/// The interrupt flag, and where interrupts enter.
extension Examination {
  /// Handlers that turn interrupts on, or leave them on.
  func interruptState() -> [Finding] {
    reaches.flatMap { reach in
      // Such a handler has interrupts as the code that it interrupts.
      if annotations[reach.root.function]?.isFault == true { return [Finding]() }
      return reach.nodes.flatMap { index -> [Finding] in
        let node = exploration.nodes[index]
        var findings = node.interruptsEnabled.sorted().compactMap { address in
          finding(
            .interruptState,
            "turns interrupts on inside a handler (\(image.text(at: address)))", at: address,
            in: index, of: reach)
        }
        if reach.root.entries.contains(index) {
          findings += node.unbalancedExits.sorted().compactMap { address in
            finding(
              .interruptState,
              "returns with interrupts in another state than it was entered with", at: address,
              in: index, of: reach)
          }
        }
        return findings
      }
    }
  }

  /// Vectors that lead to no declared root.
  func undeclaredVectors(_ vectors: [VectorEntry]) -> [Finding] {
    vectors.filter { $0.root == nil }.compactMap { vector in
      finding(
        .undeclaredVector,
        "vector \(vector.number) of \(tableName(vector.table)) leads to "
          + "\(vector.node == nil ? "no code" : name(of: vector.entry)), and to no declared root",
        at: vector.node == nil ? vector.table : vector.entry)
    }
  }

  private func tableName(_ address: UInt64) -> String {
    image.functions.symbol(startingAt: address) ?? Self.hex(address)
  }
}

/// An entry of a table of vectors.
struct VectorEntry {
  var table: UInt64
  var number: UInt32
  var entry: UInt64
  /// The node of the code there, or `nil` when there is none.
  var node: Int?
  /// The declared root that it leads to.
  var root: UInt64?

  /// All entries of all declared tables.
  static func all(of annotations: AnnotationIndex, in image: CodeImage) -> [VectorEntry] {
    annotations.vectorTables.flatMap { table in
      (0..<min(table.count, 65536)).map { number in
        let entry: UInt64
        if table.stride == 0 {
          entry = image.initialNumber(at: table.address &+ 8 &* UInt64(number), size: 8) ?? 0
        } else {
          entry = table.address &+ table.stride &* UInt64(number)
        }
        return VectorEntry(table: table.address, number: number, entry: entry)
      }
    }
  }
}
