import ELF

/// The calls of all functions of an image, whether interrupts reach them or not.
public struct CallEdges {
  private let image: CodeImage
  private let exploration: Exploration

  /// Reads the image and follows each function.
  public init(path: String, options: CheckOptions) throws(CheckFailure) {
    let file: ELFFile
    do { file = try ELFFile(path: path) } catch { throw .unreadable(error.description) }
    image = try CodeImage(file)
    let declarations = try Declarations(image, options)
    exploration = Exploration(
      image, AnnotationIndex(declarations.annotations), ignoresContext: true)
    for function in image.functions.functions where image.isCode(function.address) {
      _ = exploration.node(function.address, .init(interrupts: .unknown, saved: []))
      exploration.run()
    }
  }

  /// A line for each pair of functions, sorted: `caller<TAB>callee<TAB>step`; for calls of which a
  /// target is not known `caller<TAB>?<TAB>unresolved`.
  public var text: String {
    var lines: Set<String> = []
    for node in exploration.nodes {
      guard let caller = image.functions.function(startingAt: node.entry) else { continue }
      for site in node.sites.values {
        if site.isUnresolved { lines.insert("\(caller.symbol)\t?\tunresolved") }
        for (entry, target) in site.targets {
          // The places of a switch are in the function itself.
          let callee = image.functions.symbol(startingAt: entry)
          guard target.node != nil || callee != nil else { continue }
          let name = callee ?? "0x" + String(entry, radix: 16)
          lines.insert("\(caller.symbol)\t\(name)\t\(target.step.rawValue)")
        }
      }
    }
    return lines.sorted().map { $0 + "\n" }.joined()
  }
}
