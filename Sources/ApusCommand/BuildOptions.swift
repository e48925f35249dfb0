import ArgumentParser
import Foundation
import VirtualMachines

/// The flags that say how a package becomes an image.
struct BuildOptions: ParsableArguments {
  @Option(help: .init("The executable to be built, when the package has several.", valueName: "p"))
  var product: String?

  @Option(
    help: .init(
      """
      Where SwiftPM keeps what it makes; by default .build in the package, and one place for all \
      packages in the kernel's own tree.
      """, valueName: "dir"), completion: .directory)
  var scratchPath: String?

  @Flag(
    help: """
      Let the kernel check itself while it runs: the order and the holders of locks, and more. Slower.
      """)
  var checked = false

  /// The build of a package in a directory.
  func build(package: String, verbose: Bool) throws -> PackageBuild {
    let kernel = try KernelLocation()
    do throws(PackageBuild.Failure) {
      var build = try PackageBuild(package: package, kernel: kernel, scratchPath: scratchPath)
      build.product = product
      build.isChecked = checked
      build.verbose = verbose
      build.handlesSignals = true
      return build
    } catch {
      throw CommandFailure(error)
    }
  }
}

extension PackageBuild {
  /// Builds and shows how far it is, on one line of a terminal.
  func runShowingProgress() throws -> (product: String, image: String) {
    let line = StatusLine(isShown: !verbose)
    defer { line.clear() }
    do throws(Failure) {
      line.show("building \(URL(fileURLWithPath: package).lastPathComponent)")
      return try run { line.show($0) }
    } catch {
      line.clear()
      throw CommandFailure(error)
    }
  }
}

extension CommandFailure {
  init(_ failure: PackageBuild.Failure) {
    self.init(failure.description, status: failure.exitStatus)
    if case .interrupted = failure { message = "" }
  }
}
