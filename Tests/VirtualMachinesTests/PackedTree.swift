import Foundation
import VirtualMachines

/// A directory for one test: a `tree` to be packed and a place for the archive. It goes away with
/// the object.
final class PackedTree {
  let base: URL
  var tree: URL { base.appendingPathComponent("tree") }
  var archive: String { base.appendingPathComponent("archive.cpio").path }

  init() throws {
    base = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: base.appendingPathComponent("tree"), withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: base)
  }

  func path(_ name: String) -> String { tree.appendingPathComponent(name).path }

  func write(_ name: String, _ text: String) throws {
    let file = tree.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  func makeLink(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path(name), withDestinationPath: target)
  }

  func setPermissions(_ name: String, _ mode: Int) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
  }

  func setModificationDate(_ name: String, _ date: Date) throws {
    try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path(name))
  }

  @discardableResult
  func pack() throws -> PackedArchive {
    try RootFileSystem.pack(directory: tree.path, to: archive)
  }
}
