/// Why an image's table of annotations cannot be used.
public struct AnnotationTableError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The record, from 0, or `nil` when it is about the whole table.
  public var record: Int?
  public var problem: Problem

  public init(record: Int?, problem: Problem) {
    self.record = record
    self.problem = problem
  }

  /// What is wrong.
  public enum Problem: Error, Equatable, Sendable {
    /// The table has this many bytes, which is no multiple of a record's size.
    case size(Int)
    /// There is no kind with this number.
    case unknownKind(UInt32)
    /// The address of the function is 0.
    case noFunction
    /// The function, here by its symbol, is one that the Swift compiler made.
    case madeFunction(String)
    /// A trusted function without a reason.
    case missingReason
    /// The text's address is not in the image, or no text is there.
    case unreadableText(UInt64)
    /// The argument means nothing for this kind.
    case argument(UInt32)
    /// This is 0, but must not be.
    case zero(String)
  }

  public var description: String {
    let place = record.map { "record \($0) of .isr.notes" } ?? ".isr.notes"
    return "\(place) \(problem.explanation)"
  }
}

extension AnnotationTableError.Problem {
  fileprivate var explanation: String {
    switch self {
    case .size(let size):
      "has \(size) bytes, no multiple of 24: each record must have 24 bytes and alignment 8"
    case .unknownKind(let kind):
      "has the unknown kind \(kind): use a newer isrcheck, or a kind from 1 to 19"
    case .noFunction:
      "has function address 0: define the function, and annotate no weak one that may be missing"
    case .madeFunction(let name):
      "names \(name), which the compiler put before the function: annotate a global Swift function"
        + " as such, and one of C or marked @c as @convention(c)"
    case .missingReason:
      "trusts a function without a reason: give the address of a text"
        + ", or in Swift name the record by it"
    case .unreadableText(let address):
      "has its text at 0x\(String(address, radix: 16)), where the image has none"
        + ": give the address of a C string in read-only data"
    case .argument(let argument):
      "has the argument 0x\(String(argument, radix: 16)), which its kind does not know"
        + ": use the constants of isrcheck.h"
    case .zero(let what):
      "gives 0 for \(what): give at least 1"
    }
  }
}
