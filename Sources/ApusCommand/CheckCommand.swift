import ArgumentParser
import ISRCheck
import ISRCheckOptions
import VirtualMachines

/// `apus check`: proves that the interrupt code of an image is safe.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Prove that the code of an image that runs in interrupts is safe there.",
    discussion: """
      Follows all calls from the interrupt entries of the image and checks each instruction: no \
      vector register is spoilt, nothing allocates or waits, the stack suffices. Takes for granted \
      only what the kernel declares; `--verbose` shows it. `apus build` does the same; `isrcheck` \
      is the same tool for other kernels, and `isrcheck explain` says what a rule means.

      Examples:
        apus check hello
        apus check --verbose .build/x86_64-unknown-none-elf/release/hello
        apus check hello --format sarif --output hello.sarif

      Exit status: 0 proved; 1 findings; 2 the image cannot be analysed; else as of `apus build`.
      """)

  @OptionGroup var build: BuildOptions

  @OptionGroup var arguments: CheckArguments

  @Argument(
    help: .init("A package's directory, or an image.", valueName: "package|image"),
    completion: .file())
  var target = "."

  mutating func run() throws {
    let image = try ImageTarget(target, options: build, building: true, verbose: false)
    let status = try arguments.prove(image: image.path)
    if status != 0 { throw ExitCode(status) }
  }
}

extension CheckArguments {
  /// Proves an image with the kernel's own declarations and shows the report; returns 0, or 1 for
  /// findings.
  mutating func prove(image: String) throws -> Int32 {
    prove = true
    analysis.policies.insert(try KernelLocation().interruptPolicy, at: 0)
    do throws(CheckFailure) {
      return try check(image: image, program: "apus")
    } catch {
      throw CommandFailure(error.description, status: 2)
    }
  }
}
