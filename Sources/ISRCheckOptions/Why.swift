import ISRCheck

extension AnalysisArguments {
  /// Shows the shortest chain of calls from a root to a function. Returns the status to end with:
  /// 0, or 1 if the function is not reached.
  public func explainReach(
    image: String, root: String, target: String, program: String
  ) throws(CheckFailure) -> Int32 {
    let checker = try Checker(path: image, options: options)
    guard var chain = try checker.why(root: root, target: target) else {
      try Console.write("\(root) does not reach \(target)\n", to: .output)
      return 1
    }
    if !omitsSource {
      do throws(SourceLines.Failure) {
        try sourceLines(of: image).addSourceLines(to: &chain)
      } catch {
        try Console.write("\(program): note: \(error)\n", to: .error)
      }
    }
    let lines = chain.isEmpty ? ["\(root) is \(target) itself"] : chain.map(\.description)
    try Console.write(lines.map { $0 + "\n" }.joined(), to: .output)
    return 0
  }
}
