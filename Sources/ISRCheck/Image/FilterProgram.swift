import Foundation
import Glibc

/// A program that turns its standard input into its standard output.
struct FilterProgram {
  var path: String
  var arguments: [String] = []
  var environment: [String: String] = [:]
  /// After this many seconds the program is killed.
  var timeLimit: Double = 60

  init(path: String) { self.path = path }

  /// What the program writes; `nil` if it cannot be started, does not end in time, does not end
  /// with status 0, or writes nothing.
  func run(input: [UInt8]) -> [UInt8]? {
    guard let file = Self.temporaryFile(containing: input) else { return nil }
    let output = Pipe()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = environment
    process.standardInput = file
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(timeLimit * 1e9)
    do { try process.run() } catch { return nil }
    try? output.fileHandleForWriting.close()
    let bytes = Self.read(output.fileHandleForReading.fileDescriptor, until: deadline)
    // A program may close its output and go on.
    while bytes != nil, process.isRunning, DispatchTime.now().uptimeNanoseconds < deadline {
      usleep(1000)
    }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    guard let bytes, !bytes.isEmpty, process.terminationReason == .exit,
      process.terminationStatus == 0
    else { return nil }
    return bytes
  }

  /// A file without a name, at its start. A pipe would not do: a program that reads nothing could
  /// block whoever writes to it, or send a signal by ending.
  private static func temporaryFile(containing bytes: [UInt8]) -> FileHandle? {
    var path = Array("\(FileManager.default.temporaryDirectory.path)/isrcheck-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else { return nil }
    unlink(path)
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try file.write(contentsOf: bytes)
      try file.seek(toOffset: 0)
    } catch { return nil }
    return file
  }

  /// All bytes up to the end of a pipe, or `nil` if that does not come in time.
  private static func read(_ descriptor: Int32, until deadline: UInt64) -> [UInt8]? {
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let now = DispatchTime.now().uptimeNanoseconds
      guard now < deadline else { return nil }
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let milliseconds = min((deadline - now) / 1_000_000 + 1, UInt64(Int32.max))
      let ready = poll(&waiting, 1, Int32(milliseconds))
      if ready < 0 && errno != EINTR { return nil }
      guard ready > 0 else { continue }
      let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno != EINTR { return nil }
      if count == 0 { return result }
      result += buffer.prefix(max(count, 0))
    }
  }
}
