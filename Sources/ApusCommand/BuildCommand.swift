import ArgumentParser
import Glibc
import ISRCheckOptions
import VirtualMachines

/// `apus build`: makes a package's image.
struct BuildCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build the image of an application.",
    discussion: """
      The image is an ELF file that QEMU boots as it is. The code in it that interrupts can reach \
      is proved to be safe there; `apus check` shows the proof.

      Examples:
        apus build hello
        apus build --verbose hello
        apus build --product server my-services

      Exit status: 0; 1 if the package does not build or the proof fails; 64 for a wrong flag; 127 without Swift.
      """)

  @OptionGroup var options: BuildOptions

  @Flag(help: "Show what SwiftPM writes.")
  var verbose = false

  @Flag(name: .customLong("no-check"), help: "Do not check the code that interrupts can reach.")
  var omitsCheck = false

  @Argument(help: "The package's directory.", completion: .directory)
  var package = "."

  mutating func run() throws {
    let build = try options.build(package: package, verbose: verbose)
    let (_, path) = try build.runShowingProgress()
    let image = try ELFImage(path: path)
    print("image     \(path)")
    print("size      \(image.fileSize) bytes")
    print("stripped  \(image.strippedSize) bytes (what is loaded of the file)")
    if omitsCheck { return }
    // The report goes out past the buffer of `print`.
    fflush(nil)
    var arguments = try CheckArguments.parse(["--quiet"])
    let status = try arguments.prove(image: path)
    if status != 0 { throw ExitCode(status) }
    print("proved    nothing that interrupts can reach is unsafe there")
  }
}
