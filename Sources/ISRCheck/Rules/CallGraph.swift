/// What an interrupt can reach, as a graph of functions.
public struct CallGraph: Equatable, Sendable {
  public var nodes: [GraphNode]
  public var edges: [GraphEdge]

  public init(nodes: [GraphNode] = [], edges: [GraphEdge] = []) {
    self.nodes = nodes
    self.edges = edges
  }
}

/// A function of a call graph.
public struct GraphNode: Equatable, Sendable {
  public var id: Int
  /// The readable name, as in `Place.function`.
  public var name: String
  public var isRoot: Bool

  public init(id: Int, name: String, isRoot: Bool) {
    self.id = id
    self.name = name
    self.isRoot = isRoot
  }
}

/// A call between two functions of a call graph; several calls may share one edge.
public struct GraphEdge: Equatable, Sendable {
  /// The ids of the caller and of the function that is called.
  public var from: Int
  public var to: Int
  /// How the target is known.
  public var step: ResolutionStep

  public init(from: Int, to: Int, step: ResolutionStep) {
    self.from = from
    self.to = to
    self.step = step
  }
}
