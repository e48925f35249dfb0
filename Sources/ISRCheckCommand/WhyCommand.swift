import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck why`: shows how a root reaches a function.
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why",
    abstract: "Show the shortest chain of calls from a root to a function.",
    discussion: """
      Examples:
        isrcheck why kernel.elf apus_trap malloc
        isrcheck why kernel.elf apus_trap 'Heap.allocate(_:)' --policy kernel.policy

      Exit status:
        0  the function is reached
        1  it is not
        2  the image cannot be analysed, has no such function, or a flag is wrong
      """)

  @Argument(help: "A linked ELF image with symbols.", completion: .file())
  var image: String

  @Argument(help: "The root's name.")
  var root: String

  @Argument(help: "The function's symbol, or its readable name.")
  var target: String

  @OptionGroup var analysis: AnalysisArguments

  mutating func run() throws {
    let status = try analysis.explainReach(
      image: image, root: root, target: target, program: ISRCheckCommand.program)
    if status != 0 { throw ExitCode(status) }
  }
}
