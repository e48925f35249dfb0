import Foundation
import Testing

/// The programs beside the Swift compiler.
enum Toolchain {
  /// The directory of the toolchain's programs.
  static func directory() throws -> URL {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let compilers = path.split(separator: ":").map { "\($0)/swiftc" }
    let compiler = try #require(
      compilers.first(where: FileManager.default.isExecutableFile), "swiftc is not on the PATH")
    return URL(fileURLWithPath: compiler).resolvingSymlinksInPath().deletingLastPathComponent()
  }

  /// Runs a program of the toolchain in a directory.
  @discardableResult
  static func run(_ name: String, _ arguments: [String], in directory: URL) throws -> String {
    let process = Process()
    process.executableURL = try self.directory().appendingPathComponent(name)
    process.arguments = arguments
    process.currentDirectoryURL = directory
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self)
  }
}
