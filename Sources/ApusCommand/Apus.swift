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
    subcommands: [
      NewCommand.self, BuildCommand.self, RunCommand.self, TestCommand.self, BenchCommand.self,
      ConflictsCommand.self, CheckCommand.self,
    ])

  /// Parses and runs; an error is one line that says what to do next.
  static func main() {
    StandardError.requireStandardDescriptors()
    do {
      var command = try parseAsRoot(
        BenchCommand.completingFile(
          of: RunCommand.completingPort(of: CommandLine.arguments.dropFirst())))
      do {
        try command.run()
      } catch let failure as CommandFailure {
        if !failure.message.isEmpty { StandardError.complain(failure.message) }
        exit(withError: ExitCode(failure.status))
      } catch  where !(error is ExitCode) && exitCode(for: error) == .failure {
        StandardError.complain("\(error)")
        exit(withError: ExitCode(CommandFailure.status))
      }
    } catch {
      end(with: error)
    }
  }

  /// Ends with what the parser has to say: help, the version, a bare status, or an error, which it
  /// would follow up with several lines of usage, of which one hint is enough.
  private static func end(with error: any Error) -> Never {
    let status = exitCode(for: error)
    // An application may end with the same number, and that is no fault of the command line.
    guard status == .validationFailure, !(error is ExitCode) else { exit(withError: error) }
    let word = CommandLine.arguments.dropFirst().first
    let verb = configuration.subcommands.first { $0.configuration.commandName == word }
    let help = ["apus", verb?.configuration.commandName, "--help"].compactMap { $0 }
    StandardError.complain("\(message(for: error)) (see '\(help.joined(separator: " "))')")
    exit(withError: status)
  }
}

/// Why a verb cannot do its work, and the status with which the command ends.
struct CommandFailure: Error {
  /// The status when the work could not be started, as env(1) and timeout(1) have it.
  static let status: Int32 = 125

  var message: String
  var status: Int32

  init(_ message: String, status: Int32 = Self.status) {
    self.message = message
    self.status = status
  }
}
