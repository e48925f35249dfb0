import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck`: proves that code which runs in interrupts is safe there.
@main
struct ISRCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "isrcheck",
    abstract: "Prove that the code of an image that runs in interrupts is safe there.",
    discussion: """
      Reads a linked ELF image (x86-64 or AArch64), whatever language it was written in, follows \
      all calls from the places where interrupts enter, and checks each instruction.

      Examples:
        isrcheck kernel.elf                      check, and show what was found
        isrcheck kernel.elf --prove              take nothing for granted
        isrcheck explain extended-write          what a rule means, how to mend it
        isrcheck why kernel.elf trap_entry free  how a root reaches a function
        isrcheck diff old.elf new.elf            what interrupts reach since then
        isrcheck check --help                    all flags of a check

      Exit status:
        0  nothing was found that fails
        1  findings of error severity, or a baseline that does not agree
        2  the image cannot be analysed, or a flag is wrong
      """,
    version: ISRCheckVersion.current,
    subcommands: [
      CheckCommand.self, ExplainCommand.self, WhyCommand.self, DiffCommand.self, EdgesCommand.self,
    ],
    defaultSubcommand: CheckCommand.self)

  /// The name before messages.
  static let program = "isrcheck"
  /// The status when nothing can be said about the image.
  static let failure = ExitCode(2)

  /// Parses and runs; an error is one line that says what to do next.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CheckFailure {
      complain(failure.description)
      exit(withError: Self.failure)
    } catch  where exitCode(for: error) == .validationFailure {
      complain("\(message(for: error)) (see 'isrcheck \(verb)--help')")
      exit(withError: Self.failure)
    } catch {
      exit(withError: error)
    }
  }

  /// The verb that was given, with a blank behind it.
  private static var verb: String {
    let names = configuration.subcommands.compactMap { $0.configuration.commandName }
    let word = CommandLine.arguments.dropFirst().first ?? ""
    return (names.contains(word) ? word : "check") + " "
  }

  /// Writes an error of one line.
  private static func complain(_ message: String) {
    // Without a standard error there is nobody to tell.
    try? Console.write("\(program): \(message)\n", to: .error)
  }
}
