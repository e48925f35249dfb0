import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck diff`: shows what became reachable from interrupts.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show which functions interrupts reach in a new image, and no longer reach.",
    discussion: """
      A line for each function: `+` for one that became reachable, `-` for one that no longer is. \
      Functions are known by their names.

      Examples:
        isrcheck diff old.elf new.elf
        isrcheck diff old.elf new.elf --policy kernel.policy

      Exit status:
        0  the same functions are reached
        1  others are
        2  an image cannot be analysed, or a flag is wrong
      """)

  @Argument(help: "The image to compare with.", completion: .file())
  var old: String

  @Argument(help: "The new image.", completion: .file())
  var new: String

  @OptionGroup var analysis: AnalysisArguments

  mutating func run() throws {
    let difference = try ReachDifference(
      from: Checker(path: old, options: analysis.options),
      to: Checker(path: new, options: analysis.options))
    try Console.write(difference.text, to: .output)
    if !difference.text.isEmpty { throw ExitCode(1) }
  }
}
