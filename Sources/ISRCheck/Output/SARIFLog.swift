/// The parts of the Static Analysis Results Interchange Format that are written (OASIS, SARIF
/// 2.1.0); the names are the format's.
struct SARIFLog: Encodable {
  var schema = "https://json.schemastore.org/sarif-2.1.0.json"
  var version = "2.1.0"
  var runs: [Run]

  enum CodingKeys: String, CodingKey {
    case schema = "$schema"
    case version, runs
  }

  struct Run: Encodable {
    var tool: Tool
    var originalUriBaseIds: [String: BaseLocation]
    var artifacts: [Artifact]
    var results: [Result]
    var columnKind = "unicodeCodePoints"
  }

  struct Tool: Encodable {
    var driver: Driver
  }

  struct Driver: Encodable {
    var name: String
    var semanticVersion: String
    var rules: [ReportingDescriptor]
  }

  struct ReportingDescriptor: Encodable {
    var id: String
    var name: String
    var shortDescription: Message
    var fullDescription: Message
    var help: Message
    var defaultConfiguration: Configuration

    struct Configuration: Encodable {
      var level: String
    }
  }

  struct Message: Encodable {
    var text: String
  }

  /// A base of relative paths; where it is depends on the reader's machine.
  struct BaseLocation: Encodable {
    var description: Message
  }

  struct Artifact: Encodable {
    var location: ArtifactLocation
  }

  struct ArtifactLocation: Encodable, Hashable {
    var uri: String
    var uriBaseId: String?
    var index: Int?
  }

  struct Result: Encodable {
    var ruleId: String
    var ruleIndex: Int
    var level: String
    var message: Message
    var locations: [Location]
    var codeFlows: [CodeFlow]?
    var partialFingerprints: [String: String]
    var baselineState: String?
  }

  struct Location: Encodable {
    var physicalLocation: PhysicalLocation
    var logicalLocations: [LogicalLocation]?
    var message: Message?
  }

  struct PhysicalLocation: Encodable {
    var artifactLocation: ArtifactLocation
    var region: Region?
    var address: Address?
  }

  struct Region: Encodable {
    var startLine: Int
    var startColumn: Int?
  }

  struct Address: Encodable {
    var absoluteAddress: UInt64
    var kind = "instruction"
  }

  struct LogicalLocation: Encodable {
    var name: String
    var decoratedName: String?
    var kind = "function"
  }

  struct CodeFlow: Encodable {
    var threadFlows: [ThreadFlow]
  }

  struct ThreadFlow: Encodable {
    var locations: [ThreadFlowLocation]
  }

  struct ThreadFlowLocation: Encodable {
    var location: Location
    var nestingLevel: Int
  }
}
