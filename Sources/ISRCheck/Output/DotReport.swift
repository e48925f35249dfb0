/// What an interrupt reaches as a graph for Graphviz: `dot -Tsvg`.
public struct DotReport: Sendable {
  public init() {}

  /// The graph's text. Functions with findings of warning severity or above are red, roots have a
  /// double line; edges say how a target is known if it is not plain.
  public func text(of graph: CallGraph, report: Report) -> String {
    let faulty = Set(report.findings.filter { $0.severity > .note }.map(\.place.function))
    var lines = [
      "digraph \(Self.quoted(report.image)) {",
      "  rankdir=LR;",
      "  node [shape=box, fontname=monospace];",
    ]
    for node in graph.nodes.sorted(by: { $0.id < $1.id }) {
      var attributes = ["label=\(Self.quoted(node.name))"]
      if node.isRoot { attributes.append("peripheries=2") }
      if faulty.contains(node.name) { attributes.append("color=red, fontcolor=red") }
      lines.append("  n\(Self.number(node.id)) [\(attributes.joined(separator: ", "))];")
    }
    let edges = graph.edges.map { edge in
      (edge.from, edge.to, ResolutionStep.allCases.firstIndex(of: edge.step) ?? 0, edge.step)
    }
    for (from, to, _, step) in edges.sorted(by: { ($0.0, $0.1, $0.2) < ($1.0, $1.1, $1.2) }) {
      let attributes =
        switch step {
        case .direct: ""
        case .tail: " [style=dashed]"
        default: " [style=dotted, label=\(Self.quoted(step.rawValue))]"
        }
      lines.append("  n\(Self.number(from)) -> n\(Self.number(to))\(attributes);")
    }
    lines.append("}")
    return lines.map { $0 + "\n" }.joined()
  }

  /// A text as a string of the language, in which only the quotation mark and the backslash count.
  private static func quoted(_ text: String) -> String {
    let escaped = text.printable.map { "\"\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    return "\"\(escaped)\""
  }

  /// An id as a part of a name.
  private static func number(_ id: Int) -> String {
    id < 0 ? "_\(id.magnitude)" : "\(id)"
  }
}
