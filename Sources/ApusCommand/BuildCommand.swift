import ArgumentParser
import VirtualMachines

/// `apus build`: makes a package's image.
struct BuildCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build the image of an application.",
    discussion: """
      The image is an ELF file that QEMU boots as it is.

      Examples:
        apus build hello
        apus build --verbose hello
        apus build --product server my-services

      Exit status: 0; 1 if the package does not build; 64 for a wrong flag; 127 without Swift.
      """)

  @OptionGroup var options: BuildOptions

  @Flag(help: "Show what SwiftPM writes.")
  var verbose = false

  @Argument(help: "The package's directory.", completion: .directory)
  var package = "."

  mutating func run() throws {
    let build = try options.build(package: package, verbose: verbose)
    let (_, path) = try build.runShowingProgress()
    let image = try ELFImage(path: path)
    print("image     \(path)")
    print("size      \(image.fileSize) bytes")
    print("stripped  \(image.strippedSize) bytes (what is loaded of the file)")
  }
}
