import ArgumentParser
import ISRCheck

/// The flags that say how an image is analysed, whatever is asked about it.
public struct AnalysisArguments: ParsableArguments {
  @Option(
    name: .customLong("policy"), parsing: .singleValue,
    help: .init("A policy file with declarations about the image; repeatable.", valueName: "file"),
    completion: .file())
  public var policies: [String] = []

  @Flag(
    help: """
      Let unresolved indirect calls go to each function whose address is taken: safe, but far \
      too much.
      """)
  public var bound = false

  @Flag(
    name: .customLong("no-source"),
    help: "Show no source lines, which saves the time to read the debugging information.")
  public var omitsSource = false

  @Option(
    help: .init("Write paths of sources below this directory relative to it.", valueName: "dir"),
    completion: .directory)
  public var sourceRoot = "."

  public init() {}

  /// The options of a check with these flags.
  public var options: CheckOptions {
    var options = CheckOptions()
    options.policies = policies
    options.bound = bound
    return options
  }

  /// The source lines of an image.
  func sourceLines(of image: String) -> SourceLines {
    SourceLines(image: image, root: SourceRoot(sourceRoot))
  }

}
