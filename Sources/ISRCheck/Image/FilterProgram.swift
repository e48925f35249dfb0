import Foundation
import Glibc

/// A program that turns its standard input into its standard output. Both are files without a name
/// instead of pipes, so that nobody waits for a reader or a writer that does nothing, nor for a
/// child of the program that still holds its end.
struct FilterProgram {
  var path: String
  var arguments: [String] = []
  var environment: [String: String] = [:]
  /// After this many seconds the program is killed.
  var timeLimit: Double = 60

  init(path: String) { self.path = path }

  /// What the program writes; `nil` if it cannot be started, does not end in time, does not end
  /// with status 0, or writes nothing.
  func run(input: [UInt8]) -> Data? {
    guard let inputFile = Self.temporaryFile(), let outputFile = Self.temporaryFile() else {
      return nil
    }
    do {
      try inputFile.write(contentsOf: input)
      try inputFile.seek(toOffset: 0)
      let start = DispatchTime.now()
      guard let process = started(input: inputFile, output: outputFile) else { return nil }
      guard status(of: process, start + timeLimit) == 0 else { return nil }
      try outputFile.seek(toOffset: 0)
      let output = try outputFile.readToEnd()
      return output?.isEmpty == false ? output : nil
    } catch {
      return nil
    }
  }

  /// Starts the program and returns its id.
  private func started(input: FileHandle, output: FileHandle) -> pid_t? {
    var actions = posix_spawn_file_actions_t()
    guard posix_spawn_file_actions_init(&actions) == 0 else { return nil }
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input.fileDescriptor, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    let words = ([path] + arguments).map { strdup($0) }
    let variables = environment.map { strdup("\($0.key)=\($0.value)") }
    defer { for text in words + variables { free(text) } }
    var process: pid_t = 0
    let error = posix_spawn(&process, path, &actions, nil, words + [nil], variables + [nil])
    return error == 0 ? process : nil
  }

  /// Waits for a process, and kills it when its time is over. Returns its exit status, or `nil` if
  /// it was ended by a signal.
  private func status(of process: pid_t, _ deadline: DispatchTime) -> Int32? {
    var status: Int32 = 0
    while true {
      let isLate = DispatchTime.now() >= deadline
      if isLate { kill(process, SIGKILL) }
      let ended = waitpid(process, &status, isLate ? 0 : WNOHANG)
      // The low 7 bits are the signal (wait(2), W_TERMSIG).
      if ended == process { return status & 0x7f == 0 ? status >> 8 & 0xff : nil }
      if ended < 0 && errno != EINTR { return nil }
      usleep(1000)
    }
  }

  /// A file that goes away when it is closed, here and in the program.
  private static func temporaryFile() -> FileHandle? {
    var path = Array("\(FileManager.default.temporaryDirectory.path)/isrcheck-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else { return nil }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }
}
