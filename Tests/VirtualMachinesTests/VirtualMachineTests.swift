import Foundation
import Testing

@testable import VirtualMachines

@Suite struct VirtualMachineTests {
  @Test(arguments: [
    (#"printf '\001exit 3\n' >&3; exit 1"#, Outcome.Reason.exited(status: 3)),
    (#"printf '\001exit 255' >&3; exit 1"#, .exited(status: 255)),
    (#"printf '\001panic\n\001exit 0\n' >&3; exit 65"#, .panicked),
    ("exit 65", .panicked),
    (#"printf '\001out-of-memory\n' >&3; exit 67"#, .outOfMemory),
    ("exit 67", .outOfMemory),
    ("exit 0", .reset),
    ("echo 'no such machine' >&2; exit 1", .qemuFailed(message: "no such machine")),
    ("exit 1", .qemuFailed(message: "QEMU ended with status 1")),
    ("kill -SEGV $$", .qemuFailed(message: "QEMU was killed by signal 11")),
  ])
  func reasons(_ script: String, _ reason: Outcome.Reason) throws {
    #expect(try FalseQEMU(script).run().outcome.reason == reason)
  }

  @Test func statuses() {
    let expected: [(Outcome.Reason, Int32)] = [
      (.exited(status: 7), 7), (.timedOut, 124), (.reset, 125), (.qemuFailed(message: ""), 125),
      (.panicked, 134), (.outOfMemory, 137), (.interrupted(signal: SIGINT), 130),
    ]
    for (reason, status) in expected { #expect(Outcome(reason: reason).exitStatus == status) }
    #expect(VirtualMachineError.qemuMissing.exitStatus == 127)
  }

  @Test func outputLogAndRecordsComeApart() throws {
    let result = try FalseQEMU(
      #"""
      printf 'out\000put'
      printf '[    0.1] cpu0 info: a\n\001booted cpus=2 found=2 microseconds=9\n' >&3
      printf '  #0 0x0000000000100014\n\001exit 0\n' >&3
      exit 1
      """#
    ).run()
    #expect(result.output == Array("out\0put".utf8))
    #expect(
      result.log == [
        "[    0.1] cpu0 info: a", "  #0 0x0000000000100014 Main.foo() + 0x4",
      ])
    #expect(result.outcome.boot == BootRecord(cpus: 2, found: 2, microseconds: 9))
    #expect(result.outcome.records.count == 2)
  }

  @Test func nothingOfMuchOutputIsLost() throws {
    let size = 10 << 20
    let result = try FalseQEMU(
      """
      head -c \(size) /dev/zero | tr '\\0' x &
      yes 0123456789abcde | head -c \(size) >&3
      wait
      printf '\\001exit 0\\n' >&3
      exit 1
      """
    ).run()
    #expect(result.output.count == size)
    #expect(result.output.allSatisfy { $0 == UInt8(ascii: "x") })
    #expect(result.log.count == size / 16)
    #expect(result.log.allSatisfy { $0 == "0123456789abcde" })
    #expect(result.outcome.reason == .exited(status: 0))
  }

  @Test func theTimeoutKills() throws {
    let qemu = try FalseQEMU("echo $$ > \"$(dirname \"$0\")/pid\"; echo began; exec sleep 1000")
    let result = try qemu.run { $0.timeout = 0.5 }
    #expect(result.outcome.reason == .timedOut)
    #expect(result.output == Array("began\n".utf8))
    #expect((0.5..<2.5).contains(result.outcome.wallSeconds), "it is not asked for a report")
    #expect(FalseQEMU.isGone(try qemu.processIdentifier(in: "pid")))
  }

  @Test(arguments: [true, false]) func theTimeoutMayBeOfEachTest(_ isOfEachTest: Bool) throws {
    let qemu = try FalseQEMU(
      #"""
      for test in a b c d e; do printf '\001test begin %s\n' $test >&3; sleep 0.5; done
      printf '\001exit 0\n' >&3; exit 1
      """#)
    let result = try qemu.run {
      $0.timeout = 2
      $0.timeoutIsOfEachTest = isOfEachTest
    }
    #expect(result.outcome.reason == (isOfEachTest ? .exited(status: 0) : .timedOut))
  }

  /// A QEMU that greets on its monitor and, asked for an NMI, does what the script says.
  static func interruptedQEMU(_ script: String) throws -> FalseQEMU {
    try FalseQEMU(
      #"""
      echo $$ > "$(dirname "$0")/pid"
      echo '{"QMP": {}}' >&4
      read -r request <&4
      case $request in *'"qmp_capabilities"'*'"inject-nmi"'*) ;; *) exit 1 ;; esac
      """# + "\n\(script)")
  }

  @Test func atTheTimeoutTheGuestIsAskedForAReport() throws {
    let qemu = try Self.interruptedQEMU(#"printf 'CPU 0 was at\n\001panic\n' >&3; exit 65"#)
    let result = try qemu.run { $0.timeout = 1.5 }
    #expect(result.outcome.reason == .timedOut)
    #expect(result.outcome.hasReport)
    #expect(result.log == ["CPU 0 was at"])
    #expect((1.5..<3.5).contains(result.outcome.wallSeconds))
  }

  @Test func aGuestThatDoesNotAnswerIsKilled() throws {
    let qemu = try Self.interruptedQEMU("trap '' TERM; while :; do sleep 0.1; done")
    let result = try qemu.run { $0.timeout = 1 }
    #expect(result.outcome.reason == .timedOut)
    #expect(!result.outcome.hasReport)
    #expect((3..<30).contains(result.outcome.wallSeconds))
    #expect(FalseQEMU.isGone(try qemu.processIdentifier(in: "pid")))
  }

  @Test func aGrandchildThatHoldsThePipesDelaysNothing() throws {
    let result = try FalseQEMU(
      #"sleep 20 & printf '\001exit 4\n' >&3; echo end; exit 1"#
    ).run()
    #expect(result.outcome.reason == .exited(status: 4))
    #expect(result.output == Array("end\n".utf8))
    #expect(result.outcome.wallSeconds < 15)
  }

  @Test func qemuIsGivenItsChannelsAndNothingElse() throws {
    let result = try FalseQEMU(
      #"""
      ls -l /proc/self/fd | grep -c 'pipe:' ; for word; do echo "$word"; done
      readlink /proc/self/fd/0
      printf '\001exit 0\n' >&3; exit 1
      """#
    ).run { $0.arguments = ["a b"] }
    let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\n").map(
      String.init)
    #expect(lines.contains("program=sample log=info -- a%20b"))
    #expect(lines.contains("socket,id=console,fd=1"))
    #expect(lines.contains("file,id=log,path=/dev/fd/3"))
    #expect(lines.last == "/dev/null")
    #expect(!lines.contains { $0.contains("monitor") }, "without a timeout it has no use")
  }

  @Test func mistakesAreFoundBeforeTheStart() throws {
    let qemu = try FalseQEMU("exit 1")
    #expect(throws: VirtualMachineError.qemuMissing) {
      try qemu.run { $0.qemu = "/nowhere/qemu-system-x86_64" }
    }
    #expect(
      throws: VirtualMachineError.memoryTooSmall(
        given: MemorySize(mebibytes: 1), needed: MemorySize(mebibytes: 2))
    ) {
      try qemu.run { $0.memory = MemorySize(mebibytes: 1) }
    }
    let rootfs = qemu.directory.path("rootfs")
    try Data(count: 5 << 20).write(to: URL(fileURLWithPath: rootfs))
    #expect(
      throws: VirtualMachineError.memoryTooSmall(
        given: MemorySize(mebibytes: 6), needed: MemorySize(mebibytes: 7))
    ) {
      try qemu.run {
        $0.initrd = rootfs
        $0.memory = MemorySize(mebibytes: 6)
      }
    }
    #expect(throws: VirtualMachineError.commandLineTooLong(bytes: 4096)) {
      try qemu.run {
        let rest = 4096 - "program=sample log=info -- ".utf8.count
        $0.arguments = [String(repeating: "a", count: rest)]
      }
    }
    #expect(throws: VirtualMachineError.badConfiguration("--cpus 65 is not in 1...64")) {
      try qemu.run { $0.cpus = 65 }
    }
    #expect(throws: VirtualMachineError.self) { try qemu.run { $0.image = "/nowhere" } }
  }
}

/// With the real QEMU, where there is one.
@Suite(.enabled(if: File.program(QEMUCommandLine.program) != nil))
struct RealQEMUTests {
  @Test func theProbesGuestRunsUnderTCG() {
    #expect(AcceleratorProbe.runsGuest(accelerator: .tcg, seconds: 30))
  }

  @Test func aMachineThatQEMUDoesNotKnowIsReported() throws {
    let qemu = try FalseQEMU("exec \(QEMUCommandLine.program) -M nonsense")
    guard case .qemuFailed(let message) = try qemu.run().outcome.reason else {
      Issue.record("not reported")
      return
    }
    #expect(message.contains("machine type"))
  }
}

@Suite struct AcceleratorProbeTests {
  @Test func virtualizationIsFoundAmongTheFlags() {
    #expect(AcceleratorProbe.hasVirtualization(cpuInfo: "a\nflags\t\t: fpu vmx sse\n"))
    #expect(AcceleratorProbe.hasVirtualization(cpuInfo: "flags : svm"))
    #expect(!AcceleratorProbe.hasVirtualization(cpuInfo: "flags\t: fpu vmxx\nmodel : vmx"))
    #expect(!AcceleratorProbe.hasVirtualization(cpuInfo: ""))
  }

  @Test func theGuestIsAnImage() throws {
    let image = try ELFImage(bytes: AcceleratorProbe.guest, path: "guest")
    #expect(image.hasEntryNote)
  }
}
