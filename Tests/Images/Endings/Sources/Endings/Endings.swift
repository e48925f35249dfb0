import Apus

/// A program that behaves as its first argument says, so that `Tools/test-examples` can check what
/// the command makes of every way in which a program can end.
@main struct Endings {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let word = arguments.first, let behaviour = Behaviour(word) else {
      Console.error("usage: Endings exit STATUS | fail | hang | exhaust | write LINES | show ...")
      exit(64)
    }
    behaviour.run(Array(arguments.dropFirst()))
  }
}
