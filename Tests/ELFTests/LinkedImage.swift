import Foundation

/// Images that the toolchain beside `swiftc` has linked.
enum LinkedImage {
  /// The directory of the toolchain's programs, or `nil` when there is none on the PATH.
  static let toolchain: String? = {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    for directory in path.split(separator: ":") {
      let compiler = "\(directory)/swiftc"
      guard let real = realpath(compiler, nil) else { continue }
      defer { free(real) }
      let programs = (String(cString: real) as NSString).deletingLastPathComponent
      if access("\(programs)/ld.lld", X_OK) == 0 { return programs }
    }
    return nil
  }()

  private static let source = """
    extern int outside(int) __attribute__((weak));
    static int counter = 7;
    int *const place[3] = {&counter, &counter, &counter};
    __attribute__((noinline)) static int inner(int a) { return a * counter; }
    int (*handler)(int) = inner;
    _Thread_local int perThread = 3;
    void _start(void) { counter = inner(2) + handler(*place[1]) + perThread; }
    """

  /// A position-independent image with a build id, packed relative relocations and the relocations
  /// of the object file.
  ///
  /// - Returns: its bytes, and the symbols' addresses as `llvm-nm` reads them.
  static func make(
    target: String = "x86_64-none-elf"
  ) throws -> (bytes: [UInt8], names: [String: UInt64]) {
    let directory = FileManager.default.temporaryDirectory.path + "/elf-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let paths = (source: directory + "/a.c", object: directory + "/a.o", image: directory + "/a")
    try Data(source.utf8).write(to: URL(fileURLWithPath: paths.source))
    _ = try run(
      "clang",
      ["--target=\(target)", "-O1", "-fPIC", "-ffreestanding", "-g", "-c", paths.source]
        + ["-o", paths.object])
    _ = try run(
      "ld.lld",
      ["-pie", "--build-id=sha1", "--emit-relocs", "--pack-dyn-relocs=relr", paths.object]
        + ["-o", paths.image])
    var names: [String: UInt64] = [:]
    for line in try run("llvm-nm", [paths.image]).split(separator: "\n") {
      let fields = line.split(separator: " ")
      if fields.count == 3 { names[String(fields[2])] = UInt64(fields[0], radix: 16) }
    }
    return (Array(try Data(contentsOf: URL(fileURLWithPath: paths.image))), names)
  }

  private struct Failure: Error { var message: String }

  /// What a program of the toolchain writes.
  private static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(toolchain ?? "")/\(program)")
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(message: "\(program) failed") }
    return String(decoding: text, as: UTF8.self)
  }
}
