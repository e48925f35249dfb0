import ELF

/// Runs images in QEMU.
public enum VirtualMachine {
  /// What a run hands over while it goes on; all closures are called on the caller's thread.
  public struct Events {
    /// Bytes of the application's standard output, as they came.
    public var onOutput: ([UInt8]) -> Void
    /// A line of the log without its line feed; backtraces have their functions' names.
    public var onLog: (String) -> Void
    /// A record of the kernel or of a guest test.
    public var onRecord: (Record) -> Void

    /// What the run writes out meanwhile, whatever its closures have appended; the guest waits
    /// for a slow reader, and signals and the timeout do not.
    public var outputs: [OutputQueue]

    /// What the application reads as its standard input, once it asks.
    public var input: InputSource

    public init(
      outputs: [OutputQueue] = [], input: InputSource = InputSource(descriptor: nil),
      onOutput: @escaping ([UInt8]) -> Void = { _ in },
      onLog: @escaping (String) -> Void = { _ in },
      onRecord: @escaping (Record) -> Void = { _ in }
    ) {
      self.outputs = outputs
      self.input = input
      self.onOutput = onOutput
      self.onLog = onLog
      self.onRecord = onRecord
    }
  }
  /// Boots an image, hands over what it says, and waits for its end.
  ///
  /// QEMU dies with the calling thread, which this call keeps busy. INT, TERM and HUP end the run
  /// when `handlingSignals` is set: only for a process with one thread.
  ///
  /// - Throws: what is wrong with the configuration or with this computer, before anything runs.
  public static func run(
    _ configuration: VirtualMachineConfiguration, events: Events = Events(),
    handlingSignals: Bool = false
  ) throws(VirtualMachineError) -> Outcome {
    let image: ELFImage
    do { image = try ELFImage(path: configuration.image) } catch {
      throw .badImage(error.description)
    }
    let commandLine = try check(configuration, image)
    guard let qemu = File.program(configuration.qemu) else { throw .qemuMissing }

    var channels = QEMUCommandLine.Channels.pipes
    if configuration.timeout != nil { channels.monitor = Conversation.monitor }
    if image.mayReadInput { channels.consoleSocket = 1 }
    var process = ChildProcess(path: qemu, arguments: commandLine.arguments(channels: channels))
    process.descriptors = [.null, .pipe, .pipe, .pipe]
    if image.mayReadInput {
      process.descriptors[1] = .socket
      process.input = (events.input, 1)
    }
    if let timeout = configuration.timeout {
      process.timeout = timeout
      process.descriptors.append(.socket)
      process.finalRequest = .init(
        descriptor: Conversation.monitor, bytes: QEMUCommandLine.interruption,
        patience: configuration.reportPatience)
    }
    process.handlesSignals = handlingSignals
    process.outputs = events.outputs

    var conversation = Conversation(events: events, symbols: image.symbols)
    let start = SuspendingClock.now
    let end: ChildProcess.End
    do {
      end = try process.run { descriptor, bytes in
        conversation.take(bytes, from: descriptor)
      } restartsTimeout: {
        configuration.timeoutIsOfEachTest && conversation.tellsThatTestBegan()
      }
    } catch {
      throw .system(error.description)
    }
    conversation.end()
    return Outcome(
      reason: conversation.reason(end), boot: conversation.boot,
      wallSeconds: start.duration(to: .now) / .seconds(1), records: conversation.records,
      qemuMessages: conversation.qemuMessages)
  }

  /// Checks what can be known before the start.
  ///
  /// - Returns: the command line of the run.
  static func check(
    _ configuration: VirtualMachineConfiguration, _ image: ELFImage
  ) throws(VirtualMachineError) -> QEMUCommandLine {
    let maximum = VirtualMachineConfiguration.maximumCPUs
    guard (1...maximum).contains(configuration.cpus) else {
      throw .badConfiguration("--cpus \(configuration.cpus) is not in 1...\(maximum)")
    }
    if configuration.instructionClock || configuration.counting != nil
      || configuration.instructionProfile != nil,
      configuration.accelerator == .kvm
    {
      throw .badConfiguration("instructions are counted by TCG only; use --accel tcg")
    }
    if configuration.interruptTrace != nil, configuration.accelerator == .kvm {
      throw .badConfiguration("interrupts are traced by TCG only; use --accel tcg")
    }
    if configuration.conflictTrace != nil, configuration.accelerator == .kvm {
      throw .badConfiguration("cache lines are recorded by TCG only; use --accel tcg")
    }
    let commandLine = QEMUCommandLine(configuration, image: image)
    if configuration.counting != nil || configuration.conflictTrace != nil
      || configuration.instructionProfile != nil,
      commandLine.marks == nil
    {
      throw .badImage(
        "\(configuration.image) has no marks between which is counted and recorded; "
          + "do not strip it")
    }
    if configuration.interruptTrace != nil, commandLine.vectorStubs == nil {
      throw .badImage(
        "\(configuration.image) has no function apus_trap_stubs, by which interrupts are traced; "
          + "do not strip it")
    }
    var initrdSize: UInt64 = 0
    if let initrd = configuration.initrd {
      guard let size = File.size(initrd) else {
        throw .badConfiguration("cannot read the root file system's archive \(initrd)")
      }
      initrdSize = size
    }
    let needed = neededMemory(image: image, initrdSize: initrdSize)
    guard configuration.memory >= needed else {
      throw .memoryTooSmall(given: configuration.memory, needed: needed)
    }
    let length = commandLine.kernelCommandLine.utf8.count
    guard length <= VirtualMachineConfiguration.maximumCommandLineBytes else {
      throw .commandLineTooLong(bytes: length)
    }
    return commandLine
  }

  /// The least memory, in whole mebibytes, into which image and root file system can be loaded,
  /// with half a mebibyte left for the machine's tables and the kernel's first steps. What the
  /// application needs comes on top of that.
  static func neededMemory(image: ELFImage, initrdSize: UInt64) -> MemorySize {
    let (sum, overflow) = image.end.addingReportingOverflow(initrdSize)
    let (bytes, again) = sum.addingReportingOverflow(512 << 10)
    return MemorySize(bytes: overflow || again ? .max : bytes).roundedUpToMebibytes
  }
}

/// What a running virtual machine has said so far.
private struct Conversation {
  /// The number of the descriptor on which QEMU takes commands.
  static let monitor = 4

  private let events: VirtualMachine.Events
  private let symbols: SymbolTable
  private var log = LogAssembler()
  private var complaints: [UInt8] = []
  private(set) var records: [Record] = []
  private(set) var boot: BootRecord?
  private var testBegan = false

  init(events: VirtualMachine.Events, symbols: SymbolTable) {
    self.events = events
    self.symbols = symbols
  }

  mutating func take(_ bytes: UnsafeRawBufferPointer, from descriptor: Int) {
    switch descriptor {
    case 1: events.onOutput(Array(bytes))
    case Self.monitor: break
    case 2:
      if complaints.count < 1 << 16 { complaints.append(contentsOf: bytes) }
    default:
      var lines: [LogAssembler.Line] = []
      log.append(bytes) { lines.append($0) }
      for line in lines { take(line) }
    }
  }

  mutating func end() {
    var lines: [LogAssembler.Line] = []
    log.end { lines.append($0) }
    for line in lines { take(line) }
  }

  private mutating func take(_ line: LogAssembler.Line) {
    switch line {
    case .text(let text): events.onLog(Backtrace.symbolise(text, symbols))
    case .record(let record):
      if case .booted(let boot) = record { self.boot = boot }
      if case .inputWanted = record { events.input.open() }
      if case .test(.begin) = record { testBegan = true }
      records.append(record)
      events.onRecord(record)
    }
  }

  /// Whether a guest test began since this was asked last.
  mutating func tellsThatTestBegan() -> Bool {
    defer { testBegan = false }
    return testBegan
  }

  /// Why the machine ended: the guest's own words first, then QEMU's status.
  func reason(_ end: ChildProcess.End) -> Outcome.Reason {
    switch (end, wordsOfGuest) {
    case (.timedOut, _): return .timedOut
    case (.interrupted(let signal), _): return .interrupted(signal: signal)
    case (_, .some(let reason)): return reason
    case (.exited(status: DebugExit.panic.processStatus), nil): return .panicked
    case (.exited(status: DebugExit.outOfMemory.processStatus), nil): return .outOfMemory
    case (.exited(status: 0), nil): return .reset
    case (.killed(let signal), nil):
      return .qemuFailed(message: "QEMU was killed by signal \(signal)")
    case (.exited(let status), nil):
      let words = qemuMessages
      return .qemuFailed(message: words.isEmpty ? "QEMU ended with status \(status)" : words)
    }
  }

  /// What QEMU wrote to its standard error, without empty lines and without its own name.
  var qemuMessages: String {
    let prefix = "\(QEMUCommandLine.program): "
    return String(decoding: complaints, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.hasPrefix(prefix) ? $0.dropFirst(prefix.count) : $0 }
      .joined(separator: "\n")
  }

  /// Why the machine ended, by the guest's records.
  private var wordsOfGuest: Outcome.Reason? {
    if records.contains(.panic) { return .panicked }
    if records.contains(.outOfMemory) { return .outOfMemory }
    for case .exit(let status) in records.reversed() { return .exited(status: status) }
    return nil
  }
}

/// The values that the kernel writes to the debug exit device.
enum DebugExit: Int32 {
  case panic = 0x20
  case outOfMemory = 0x21

  /// The status with which QEMU ends for the value.
  var processStatus: Int32 { rawValue << 1 | 1 }
}
