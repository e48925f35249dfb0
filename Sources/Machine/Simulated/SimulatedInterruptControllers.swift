#if !hasFeature(Embedded)
import CMachine

/// One controller with 24 lines, whose devices are tests.
public struct InterruptControllers: Sendable {
  /// Where a line leads to.
  public struct Route: Sendable {
    public var vector = 0
    public var cpu = 0
    public var trigger = InterruptTrigger.risingEdge
    public var isMasked = true
  }

  private var routes: [Route] = []

  /// None yet.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { routes.isEmpty }

  /// Adds the controller; the first line is 0, and the address is of no meaning.
  public mutating func add(address: UInt64, firstLine: UInt32) {
    routes = Array(repeating: Route(), count: 24)
  }

  /// Whether it has the line.
  public func contains(_ line: InterruptLineNumber) -> Bool { line.rawValue < routes.count }

  /// Where the line leads to: what a test asks.
  public func route(of line: InterruptLineNumber) -> Route { routes[Int(line.rawValue)] }

  /// Leads a line to a CPU, as its device vector `vector`. The line is masked after this.
  public mutating func route(
    _ line: InterruptLineNumber, _ trigger: InterruptTrigger, to vector: Int, of cpu: Int
  ) throws(InterruptControllerError) {
    guard !isEmpty else { throw .noController }
    guard contains(line) else { throw .noSuchLine }
    routes[Int(line.rawValue)] = Route(vector: vector, cpu: cpu, trigger: trigger)
  }

  /// Holds the interrupts of a line back.
  public mutating func mask(_ line: InterruptLineNumber) {
    routes[Int(line.rawValue)].isMasked = true
  }

  /// Lets them through.
  public mutating func unmask(_ line: InterruptLineNumber) {
    routes[Int(line.rawValue)].isMasked = false
  }

  /// What a device has to write for the device vector `vector` of a CPU.
  public static func message(
    for vector: Int, of cpu: Int
  ) throws(InterruptControllerError) -> InterruptMessage {
    InterruptMessage(address: 0xFEE0_0000 | UInt64(cpu) << 12, data: UInt32(vector))
  }
}

extension Processor {
  /// How many interrupts of devices a CPU tells apart: an explorer knows 128 vectors.
  public static var deviceVectorCount: Int { 48 }

  /// Which device vector an interrupt is; `nil` if it is none.
  public static func deviceVector(of interrupt: UInt64) -> Int? {
    interrupt >= 0x50 && interrupt < 0x80 ? Int(interrupt) - 0x50 : nil
  }

  /// Under an explorer the interrupt is pending from now on. Otherwise it does not come: a test's thread
  /// that plays the CPU calls `handleInterrupt` by itself.
  public static func send(deviceVector index: Int, to cpu: Int) {
    guard let explorer = apus_simulated_processor().pointee.explorer else { return }
    explore(.sendInterrupt, at: UInt64(cpu))
    explorer.pointee.send(explorer.pointee.context, 0x50 + UInt8(index), Int64(cpu))
  }
}
#endif
