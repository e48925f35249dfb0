import CHost
import Glibc

/// Runs one program to its end on the calling thread and hands over what it writes.
///
/// Everything that may happen (output, a signal, the deadline, the end of the program) is waited
/// for in one call of `poll`, so that none of them can be missed or come late. The program never
/// outlives the thread that runs it.
public struct ChildProcess {
  /// What one descriptor of the program is.
  public enum Descriptor: Sendable {
    /// `/dev/null`.
    case null
    /// The descriptor of the same number of this process.
    case inherited
    /// A pipe, whose bytes are handed over.
    case pipe
    /// A socket, whose bytes are handed over, and through which a `FinalRequest` goes.
    case socket
  }

  /// What a program is asked at its deadline, before it is killed.
  public struct FinalRequest: Sendable {
    /// The number of the socket.
    public var descriptor: Int
    public var bytes: [UInt8]
    /// The seconds that the program is given to end by itself.
    public var patience: Double

    public init(descriptor: Int, bytes: [UInt8], patience: Double) {
      self.descriptor = descriptor
      self.bytes = bytes
      self.patience = patience
    }
  }

  /// How the program ended.
  public enum End: Equatable, Sendable {
    case exited(status: Int32)
    case killed(signal: Int32)
    /// It did not end before its deadline.
    case timedOut
    /// This process received a signal, and the program was ended for that.
    case interrupted(signal: Int32)
  }

  /// Why a program did not run.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// The path of the program.
  public var path: String
  /// The arguments after argument 0, which is `path`.
  public var arguments: [String]
  /// The environment; by default that of this process.
  public var environment: [String] = Self.currentEnvironment
  /// The descriptors 0, 1, 2 and so on.
  public var descriptors: [Descriptor] = [.null, .pipe, .pipe]
  /// The seconds after which the program is killed, or `nil` for no bound.
  public var timeout: Double?
  /// What the program is asked then. One that has written nothing to the socket so far does not
  /// listen there, and is killed at once.
  public var finalRequest: FinalRequest?
  /// The signal that ends the program when this process is interrupted.
  public var interruption = SIGKILL
  /// Whether INT, TERM and HUP end the run: only for a process with one thread.
  public var handlesSignals = false
  /// What is written to a socket of the program, and the number of that.
  public var input: (source: InputSource, descriptor: Int)?
  /// What is written to descriptors of this process meanwhile.
  public var outputs: [OutputQueue] = []

  public init(path: String, arguments: [String]) {
    self.path = path
    self.arguments = arguments
  }

  /// Starts the program and returns after its end, when all it wrote has been handed over and all
  /// `outputs` are written.
  ///
  /// - Parameters:
  ///   - onBytes: is called with the number of a piped descriptor and the bytes.
  ///   - restartsTimeout: is asked then whether the timeout begins anew.
  public func run(
    onBytes: (_ descriptor: Int, _ bytes: UnsafeRawBufferPointer) -> Void = { _, _ in },
    restartsTimeout: () -> Bool = { false }
  ) throws(Failure) -> End {
    var pipes: [(number: Int, end: FileDescriptor)] = []
    var signals: SignalReceiver?
    if handlesSignals { signals = try SignalReceiver() }
    defer { signals?.stop() }

    let child = try start(&pipes)
    defer { for pipe in pipes { pipe.end.close() } }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var deadline = timeout.map { SuspendingClock.now + .seconds($0) }
    var listens = false
    var isOverdue = false

    let end: End
    wait: while true {
      let socket = input.flatMap { input in pipes.first { $0.number == input.descriptor }?.end }
      let events = Self.poll(
        child: child.descriptor, signals: signals?.descriptor,
        pipes: outputs.contains { $0.isFull } ? [] : pipes.map(\.end),
        outputs: outputs, deadline: deadline,
        input: socket == nil ? nil : input?.source.readable,
        socket: input?.source.hasBytes == true ? socket : nil)
      if let signal = signals?.next() {
        kill(child.identifier, interruption)
        _ = child.wait()
        end = .interrupted(signal: signal)
        break wait
      }
      for output in outputs where events.contains(output.descriptor) { output.writeSome() }
      if let source = input?.source, let socket {
        if let readable = source.readable, events.contains(readable) { source.readSome() }
        if source.hasBytes { source.writeSome(to: socket) }
      }
      if let passed = deadline, SuspendingClock.now >= passed {
        if let finalRequest, listens, !isOverdue,
          let socket = pipes.first(where: { $0.number == finalRequest.descriptor }),
          socket.end.send(finalRequest.bytes)
        {
          isOverdue = true
          deadline = .now + .seconds(finalRequest.patience)
          continue
        }
        kill(child.identifier, SIGKILL)
        _ = child.wait()
        end = .timedOut
        break wait
      }
      for index in pipes.indices.reversed() where events.contains(pipes[index].end.number) {
        let (number, pipe) = pipes[index]
        if number == finalRequest?.descriptor { listens = true }
        if !pipe.read(into: &buffer, { onBytes(number, $0) }) {
          pipe.close()
          pipes.remove(at: index)
        }
      }
      if let timeout, !isOverdue, restartsTimeout() { deadline = .now + .seconds(timeout) }
      if events.contains(child.descriptor.number) {
        let own = child.wait()
        end = isOverdue ? .timedOut : own
        break wait
      }
    }
    // What stands in the pipes still counts; a grandchild may hold them open, so no wait for
    // their end.
    for (number, pipe) in pipes {
      while pipe.hasBytes, pipe.read(into: &buffer, { onBytes(number, $0) }) {}
    }
    // A terminal's Ctrl-C reaches the program too, which may end before the signal is seen here.
    if case .exited = end, let signal = signals?.next() { return .interrupted(signal: signal) }
    return try flush(signals: signals) ?? end
  }

  /// Writes what is left in the outputs.
  ///
  /// - Returns: the end if a signal cut it short.
  private func flush(signals: SignalReceiver?) throws(Failure) -> End? {
    while outputs.contains(where: { !$0.isEmpty }) {
      let events = Self.poll(
        child: nil, signals: signals?.descriptor, pipes: [], outputs: outputs, deadline: nil)
      if let signal = signals?.next() { return .interrupted(signal: signal) }
      for output in outputs where events.contains(output.descriptor) { output.writeSome() }
    }
    return nil
  }

  /// Waits for one of the events and returns the descriptors that have one.
  private static func poll(
    child: FileDescriptor?, signals: FileDescriptor?, pipes: [FileDescriptor],
    outputs: [OutputQueue], deadline: SuspendingClock.Instant?, input: Int32? = nil,
    socket: FileDescriptor? = nil
  ) -> [Int32] {
    var entries: [pollfd] = []
    for descriptor in [child, signals].compactMap({ $0 }) + pipes {
      entries.append(pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0))
    }
    for output in outputs where !output.isEmpty {
      entries.append(pollfd(fd: output.descriptor, events: Int16(POLLOUT), revents: 0))
    }
    if let input { entries.append(pollfd(fd: input, events: Int16(POLLIN), revents: 0)) }
    // An entry of its own: it is also read.
    if let socket {
      entries.append(pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0))
    }
    var milliseconds: Int32 = -1
    if let deadline {
      let left = SuspendingClock.now.duration(to: deadline) / .milliseconds(1)
      milliseconds = Int32(max(0, min(left.rounded(.up), 1e9)))
    }
    guard Glibc.poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return [] }
    return entries.filter { $0.revents != 0 }.map(\.fd)
  }

  /// Starts the program; `pipes` receives the reading ends of its pipes.
  private func start(
    _ pipes: inout [(number: Int, end: FileDescriptor)]
  ) throws(Failure) -> StartedProcess {
    var given: [Int32] = []
    var opened: [FileDescriptor] = []
    defer { for descriptor in opened { descriptor.close() } }
    for (number, descriptor) in descriptors.enumerated() {
      switch descriptor {
      case .inherited: given.append(Int32(number))
      case .null:
        let null = try FileDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC), opening: "/dev/null")
        opened.append(null)
        given.append(null.number)
      case .pipe:
        let (reading, writing) = try FileDescriptor.pipe()
        pipes.append((number, reading))
        opened.append(writing)
        given.append(writing.number)
      case .socket:
        let (own, theirs) = try FileDescriptor.socketPair()
        pipes.append((number, own))
        opened.append(theirs)
        given.append(theirs.number)
      }
    }
    var processDescriptor: Int32 = -1
    let identifier = withCStrings([path] + arguments) { arguments in
      withCStrings(environment) { environment in
        chost_spawn(
          path, arguments, environment, given, Int32(given.count), &processDescriptor)
      }
    }
    guard identifier > 0 else {
      for pipe in pipes { pipe.end.close() }
      pipes = []
      throw Failure(description: "cannot start \(path): \(String(cString: strerror(-identifier)))")
    }
    return StartedProcess(
      identifier: identifier, descriptor: FileDescriptor(number: processDescriptor))
  }

  /// The environment of this process as `NAME=VALUE`.
  public static var currentEnvironment: [String] {
    var variables: [String] = []
    var next = environ
    while let variable = next.pointee {
      variables.append(String(cString: variable))
      next += 1
    }
    return variables
  }
}

/// A program that runs, or has ended and not yet been waited for.
private struct StartedProcess {
  let identifier: pid_t
  let descriptor: FileDescriptor

  /// Waits for the end and releases the process; call it once.
  func wait() -> ChildProcess.End {
    defer { descriptor.close() }
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    // The layout of the status is that of WIFEXITED and its kin, which are macros.
    let signal = status & 0x7f
    return signal == 0 ? .exited(status: status >> 8 & 0xff) : .killed(signal: signal)
  }
}
