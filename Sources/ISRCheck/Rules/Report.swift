/// All that a check of an image has found, and what it has taken for granted.
public struct Report: Equatable, Codable, Sendable {
  /// The image's path, as it was given.
  public var image: String
  /// The build id of the image's note in hexadecimal, or `nil`.
  public var buildID: String?
  /// The SHA-256 of the image's loaded bytes, in hexadecimal.
  public var digest: String
  /// `x86_64` or `aarch64`.
  public var architecture: String
  /// Whether `--prove` and `--strict` were given.
  public var mode: Mode
  public var roots: [Root]
  public var statistics: Statistics
  /// What nobody has proved: trusted functions with their reasons, declared targets, declared
  /// bounds, fatal cuts. A line each.
  public var assumptions: [String]
  /// By severity, then rule, then place; those that are ignored left out.
  public var findings: [Finding]

  public init(
    image: String, buildID: String?, digest: String, architecture: String, mode: Mode,
    roots: [Root], statistics: Statistics, assumptions: [String], findings: [Finding]
  ) {
    self.image = image
    self.buildID = buildID
    self.digest = digest
    self.architecture = architecture
    self.mode = mode
    self.roots = roots
    self.statistics = statistics
    self.assumptions = assumptions
    self.findings = findings
  }

  public struct Mode: Equatable, Codable, Sendable {
    public var prove: Bool
    public var strict: Bool

    public init(prove: Bool, strict: Bool) {
      self.prove = prove
      self.strict = strict
    }
  }

  /// A place where the hardware enters.
  public struct Root: Equatable, Codable, Sendable {
    public var name: String
    public var level: UInt32
    public var vector: UInt64?
    /// Functions that can run, itself included.
    public var functionCount: Int
    /// The most bytes of stack that one entry needs, without those that interrupt it; `nil` when
    /// there is no bound.
    public var stack: UInt64?
    /// The same with all that may nest on the same stack, and the size that is declared.
    public var nestedStack: UInt64?
    public var stackSize: UInt64?

    public init(
      name: String, level: UInt32, vector: UInt64?, functionCount: Int, stack: UInt64?,
      nestedStack: UInt64? = nil, stackSize: UInt64? = nil
    ) {
      self.name = name
      self.level = level
      self.vector = vector
      self.functionCount = functionCount
      self.stack = stack
      self.nestedStack = nestedStack
      self.stackSize = stackSize
    }
  }

  public struct Statistics: Equatable, Codable, Sendable {
    /// Functions and instructions that an interrupt can reach.
    public var functionCount: Int
    public var instructionCount: Int
    public var directCallCount: Int
    /// Indirect calls and jumps by the step of the ladder that resolved them.
    public var indirectCounts: [String: Int]

    public init(
      functionCount: Int, instructionCount: Int, directCallCount: Int,
      indirectCounts: [String: Int]
    ) {
      self.functionCount = functionCount
      self.instructionCount = instructionCount
      self.directCallCount = directCallCount
      self.indirectCounts = indirectCounts
    }
  }
}
