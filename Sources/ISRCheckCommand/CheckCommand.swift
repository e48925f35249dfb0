import ArgumentParser
import ISRCheck
import ISRCheckOptions

/// `isrcheck check`, which is meant also without the word `check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check an image and report what was found.",
    discussion: """
      A rule is known by its id or its slug: ISR001 or extended-write; `isrcheck explain` lists \
      them. Source lines need an image with debugging information and llvm-symbolizer, which \
      comes with the Swift toolchain.

      Examples:
        isrcheck kernel.elf
        isrcheck kernel.elf --policy kernel.policy --root apus_trap
        isrcheck kernel.elf --error unresolved-indirect-call --ignore ISR005
        isrcheck kernel.elf --format sarif --output isrcheck.sarif
        isrcheck kernel.elf --write-baseline accepted.json
        isrcheck kernel.elf --baseline accepted.json --werror
        isrcheck kernel.elf --format dot | dot -Tsvg -o reached.svg

      Exit status:
        0  nothing was found that fails
        1  findings of error severity, or a baseline that does not agree
        2  the image cannot be analysed, or a flag is wrong
      """)

  @Argument(help: "A linked ELF image with symbols.", completion: .file())
  var image: String

  @OptionGroup var arguments: CheckArguments

  mutating func run() throws {
    let status = try arguments.check(image: image, program: ISRCheckCommand.program)
    if status != 0 { throw ExitCode(status) }
  }
}
