import Foundation
import VirtualMachines

/// The image that `apus run` boots.
struct ImageTarget {
  /// The path of the image.
  var path: String
  /// The application's argument 0.
  var programName: String

  /// Finds the image that the user means: a file is one, and a directory's package is built.
  ///
  /// - Parameter building: whether to build; otherwise the path is that which a build would make.
  init(_ path: String, options: BuildOptions, building: Bool, verbose: Bool) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw CommandFailure("there is no '\(path)': give a package's directory or an image")
    }
    guard isDirectory.boolValue else {
      self.path = path
      programName = URL(fileURLWithPath: path).lastPathComponent
      return
    }
    let build = try options.build(package: path, verbose: verbose)
    if building {
      (programName, self.path) = try build.runShowingProgress()
    } else {
      do throws(PackageBuild.Failure) { programName = try build.productToBuild() } catch {
        throw CommandFailure(error)
      }
      self.path = build.imagePath(product: programName)
    }
  }
}
