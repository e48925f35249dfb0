import Foundation
import VirtualMachines

/// The image that `apus run` boots.
struct ImageTarget {
  /// The path of the image.
  var path: String
  /// The application's argument 0.
  var programName: String

  /// Finds the image that the user means: a file is an image.
  init(_ path: String) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw CommandFailure("\(path) does not exist: give a package's directory or an image")
    }
    self.path = path
    programName = URL(fileURLWithPath: path).lastPathComponent
  }
}
