import Foundation
import Testing

@testable import VirtualMachines

/// The command itself, with a script in QEMU's place.
@Suite struct CommandTests {
  /// The command, which is built beside the tests.
  static let apus = URL(fileURLWithPath: Executable.path).deletingLastPathComponent()
    .appendingPathComponent("apus")

  static func start(
    _ qemu: FalseQEMU, _ arguments: [String]
  ) throws -> (process: Process, output: Pipe, errors: Pipe) {
    let process = Process()
    process.executableURL = apus
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = "\(qemu.directory.base):\(environment["PATH"] ?? "/usr/bin:/bin")"
    process.environment = environment
    let pipes = (Pipe(), Pipe())
    process.standardOutput = pipes.0
    process.standardError = pipes.1
    try process.run()
    return (process, pipes.0, pipes.1)
  }

  static func text(_ pipe: Pipe) -> String {
    String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  }

  @Test func statusOutputAndLogAreHandedThrough() throws {
    let qemu = try FalseQEMU(#"printf 'a\nb'; printf 'log\n\001exit 42\n' >&3; exit 1"#)
    let (process, output, errors) = try Self.start(qemu, ["run", "--accel", "tcg", qemu.image])
    process.waitUntilExit()
    #expect(process.terminationStatus == 42)
    #expect(Self.text(output) == "a\nb")
    #expect(Self.text(errors) == "log\n")
  }

  @Test(
    arguments: [
      (#"printf 'report\n\001panic\n' >&3; exit 65"#, 134, "panicked"),
      (#"printf '\001out-of-memory\n' >&3; exit 67"#, 137, "--memory"),
      ("exec sleep 1000", 124, "killed"),
      (
        #"echo greeting >&4; read -r request <&4; printf '\001panic\n' >&3; exit 65"#, 124,
        "where every CPU was"
      ), ("exit 0", 125, "reset"),
    ] as [(String, Int32, String)])
  func endsThatAreExplained(_ script: String, _ status: Int32, _ word: String) throws {
    let qemu = try FalseQEMU(script)
    let (process, _, errors) = try Self.start(
      qemu, ["run", "--accel", "tcg", "--timeout", "2", qemu.image])
    process.waitUntilExit()
    #expect(process.terminationStatus == status)
    let last = Self.text(errors).split(separator: "\n").last ?? ""
    #expect(last.hasPrefix("apus: ") && last.contains(word))
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGKILL])
  func qemuNeverOutlivesTheCommand(_ signal: Int32) throws {
    let qemu = try FalseQEMU(
      "echo $$ > \"$(dirname \"$0\")/pid\"; trap '' INT TERM HUP; while :; do sleep 0.1; done")
    let (process, _, _) = try Self.start(qemu, ["run", "--accel", "tcg", qemu.image])
    let identifier = try qemu.processIdentifier(in: "pid")
    #expect(kill(process.processIdentifier, signal) == 0)
    process.waitUntilExit()
    #expect(FalseQEMU.isGone(identifier))
    if signal == SIGKILL {
      #expect(process.terminationReason == .uncaughtSignal)
    } else {
      #expect(process.terminationStatus == 128 + signal)
    }
  }

  @Test func aReaderThatDoesNotReadHoldsUpNeitherTimeoutNorSignals() throws {
    let qemu = try FalseQEMU("exec yes")
    let (process, output, _) = try Self.start(
      qemu, ["run", "--accel", "tcg", "--timeout", "0.5", qemu.image])
    usleep(1_500_000)
    #expect(process.isRunning, "it waits for the reader, without QEMU")
    #expect(kill(process.processIdentifier, SIGINT) == 0)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    withExtendedLifetime(output) {}
  }

  @Test(arguments: [
    ["run", "--cpus", "0", "x"], ["run", "--memory", "5Q", "x"], ["run", "--frob", "x"], ["run"],
    ["frob"], ["run", "--gdb=x", "x"], ["run", "--timeout", "0", "x"], ["run", "--env", "=", "x"],
    ["run", ""], ["run", "--rootfs", "", "x"],
    ["run", "--machine", "vax", "x"], ["run", "--accel", "kvm", "--icount", "x"],
    ["run", "--accel", "kvm", "--interrupt-trace", "t", "x"],
    ["run", "--interrupt-trace", "", "x"],
    ["test", "--accel", "kvm", "--interrupt-trace", "t", "x"],
    ["test", "--interrupt-trace", "", "x"],
  ])
  func wrongUsageIsOneLine(_ arguments: [String]) throws {
    let (process, output, errors) = try Self.start(try FalseQEMU("exit 0"), arguments)
    process.waitUntilExit()
    #expect(process.terminationStatus == 64)
    #expect(Self.text(output) == "")
    let lines = Self.text(errors).split(separator: "\n")
    #expect(lines.count == 1 && lines[0].hasPrefix("apus: ") && lines[0].contains("--help"))
  }

  @Test(arguments: [0, 1, 2])
  func aClosedDescriptorIsNoTrap(_ descriptor: Int) throws {
    let qemu = try FalseQEMU(#"echo a; printf 'log\n\001exit 5\n' >&3; exit 1"#)
    let script = "exec \"$0\" run --accel tcg \"$1\" \(descriptor)>&-"
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", script, Self.apus.path, qemu.image]
    shell.environment = ["PATH": "\(qemu.directory.base):/usr/bin:/bin"]
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 5)
  }

  @Test func lostOutputIsAnError() throws {
    let qemu = try FalseQEMU(#"echo a; printf '\001exit 0\n' >&3; exit 1"#)
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = [
      "-c", "exec \"$0\" run --accel tcg \"$1\" >/dev/full", Self.apus.path, qemu.image,
    ]
    shell.environment = ["PATH": "\(qemu.directory.base):/usr/bin:/bin"]
    let errors = Pipe()
    shell.standardError = errors
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 125)
    #expect(Self.text(errors).hasPrefix("apus: cannot write the output: "))
  }

  @Test(arguments: [["--help"], ["run", "--help"], ["build", "--help"], ["new", "--help"]])
  func helpHasExamples(_ arguments: [String]) throws {
    let (process, output, _) = try Self.start(try FalseQEMU("exit 0"), arguments)
    let text = Self.text(output)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(text.contains("Examples:"))
  }

  @Test func jsonIsOneObject() throws {
    let qemu = try FalseQEMU(
      #"""
      for word; do case $word in *,out=*) file=${word##*out=} ;; esac; done
      if [ -n "$file" ]; then
        printf 'apus-instruction-counts 1\ncpus 1\nevent 0 0 5\nevent 1 0 9\ntotal 20\n' > "$file"
        printf 'out'; printf 'line\n\001exit 3\n' >&3
      fi
      exit 1
      """#)
    let (process, output, errors) = try Self.start(qemu, ["run", "--json", qemu.image])
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 3)
    #expect(Self.text(errors) == "")
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(object["output"] as? String == "out")
    #expect(object["log"] as? [String] == ["line"])
    #expect((object["end"] as? [String: Any])?["reason"] as? String == "exited")
    #expect((object["instructions"] as? [String: Any])?["total"] as? [Int] == [20])
    #expect((object["machine"] as? [String: Any])?["cpus"] as? Int == 4)
  }
}
