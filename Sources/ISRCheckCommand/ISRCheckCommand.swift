import ArgumentParser
import ISRCheck

/// `isrcheck`: proves that code which runs in interrupts is safe there.
@main
struct ISRCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "isrcheck")
}
