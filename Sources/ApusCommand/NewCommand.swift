import ArgumentParser
import VirtualMachines

/// `apus new`: writes an application's package.
struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new",
    abstract: "Make a new application: a package that builds and runs at once.",
    discussion: """
      Examples:
        apus new hello
        apus new hello --kernel ../apus
        apus new hello --kernel https://example.org/apus.git

      Exit status: 0; 1 if the package cannot be made; 64 for a wrong flag.
      """)

  @Option(
    help: .init(
      "The kernel: a clone's path or a URL; by default the clone that this command is of.",
      valueName: "path|url"), completion: .directory)
  var kernel: String?

  @Argument(help: "The name of the new directory, the package and its module.")
  var name: String

  mutating func run() throws {
    let location = Result { try KernelLocation() }
    do {
      let place: NewPackage.Kernel =
        if let kernel { try NewPackage.Kernel(kernel) } else { .path(try location.get().root) }
      let modules = (try? location.get())?.modules ?? []
      let directory = try NewPackage(name: name, kernel: place, modules: modules).write()
      print("made \(directory); next: apus run \(directory)")
    } catch {
      throw CommandFailure("\(error)", status: 1)
    }
  }
}
