import CMachine
import Glibc
import Machine

/// What `Machine` and the host's signals call: the C side of an execution.
extension Execution {
  /// The functions that `Machine` calls, for the execution at `context`.
  static func hooks(of context: UnsafeMutableRawPointer) -> apus_explorer {
    apus_explorer(
      context: context,
      step: { context, operation, address, size in
        guard let operation = SimulatedOperation(rawValue: operation) else { return }
        Execution.at(context) { $0.step(operation, address: address, size: size) }
      },
      written: { context in Execution.at(context) { $0.written() } },
      send: { context, vector, index in
        Execution.at(context) { $0.send(vector, to: Int(index)) }
      },
      output: { context, channel, byte in
        guard let channel = OutputChannel(rawValue: channel) else { return }
        Execution.at(context) { $0.output(byte, to: channel) }
      },
      now: { context in Execution.at(context) { $0.now } },
      arm_timer: { context, deadline in Execution.at(context) { $0.armTimer(at: deadline) } })
  }

  /// A trap of the code that is explored.
  static let trapped: @convention(c) (UnsafeMutableRawPointer?, Int32, UInt64) -> Void = {
    context, signal, address in
    guard let context else { return }
    if signal == 0 {
      return Execution.at(context) {
        $0.fail(.endless, "a CPU runs for two seconds without any operation that others could see")
      }
    }
    let message =
      switch signal {
      case SIGSEGV, SIGBUS: "a bad access to memory at \(hexadecimal(address))"
      default: "a failed check (see standard error), or a bad instruction"
      }
    Execution.at(context) { $0.fail(.trap, message) }
  }

  @inline(__always)
  private static func at<Result>(
    _ context: UnsafeMutableRawPointer, _ body: (Execution) -> Result
  ) -> Result {
    Unmanaged<Execution>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
  }
}

/// A number as people read addresses.
func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
