import ArgumentParser

/// The command `apus`: one file per verb.
@main
struct Apus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus",
    abstract: "Make, build and run Swift applications that boot on every CPU of a virtual machine.",
    discussion: """
      An application is a Swift package that imports Apus; its image boots in QEMU.

      Examples:
        apus new hello
        apus run hello
        apus run --cpus 8 --rootfs books Examples/WordCount -- --top 10
      """,
    version: "0.1.0",
    subcommands: [RunCommand.self])

  /// Parses and runs; an error is one line that says what to do next.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      end(with: error)
    }
  }

  private static func end(with error: any Error) -> Never {
    if let failure = error as? CommandFailure {
      StandardError.complain(failure.message)
      exit(withError: ExitCode(failure.status))
    }
    // Help, the version and a bare status; an error of the parser comes with several lines of
    // usage, of which one hint is enough.
    let status = exitCode(for: error)
    guard status == .validationFailure else { exit(withError: error) }
    let words = CommandLine.arguments.dropFirst().prefix(1)
    let verb = words.first.flatMap { word in
      configuration.subcommands.first { $0.configuration.commandName == word }
    }
    let help = ["apus", verb?.configuration.commandName, "--help"].compactMap { $0 }
    StandardError.complain("\(message(for: error)) (see '\(help.joined(separator: " "))')")
    exit(withError: status)
  }
}

/// Why a verb cannot do its work, and the status with which the command ends.
struct CommandFailure: Error {
  var message: String
  var status: Int32

  init(_ message: String, status: Int32 = 125) {
    self.message = message
    self.status = status
  }
}
