import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck edges`: prints who calls whom.
struct EdgesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edges",
    abstract: "Print the calls of all functions of an image, reached by interrupts or not.",
    discussion: """
      A line for each pair of functions: the symbol of the caller, that of the called function, and \
      how the target is known, with tabs between; `?` where a target is not known. Needs no roots. \
      To compare with what a compiler knows of the same code.

      Examples:
        isrcheck edges kernel.elf
        isrcheck edges kernel.elf | grep unresolved

      Exit status:
        0  printed
        2  the image cannot be analysed, or a flag is wrong
      """)

  @Argument(help: "A linked ELF image with symbols.", completion: .file())
  var image: String

  @OptionGroup var analysis: AnalysisArguments

  mutating func run() throws {
    try Console.write(try CallEdges(path: image, options: analysis.options).text, to: .output)
  }
}
