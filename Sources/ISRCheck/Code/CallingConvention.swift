/// What code of an architecture may rely on when it calls a function, and where its interrupt flag
/// is.
public struct CallingConvention: Sendable {
  /// How many general registers there are, the stack pointer included.
  let registerCount: Int
  let stackPointer: Register
  let framePointer: Register
  /// Registers of the first arguments, in order.
  let arguments: [Register]
  /// Registers that have their value back when a call returns.
  let preserved: RegisterSet
  /// As `preserved`, for functions of Swift: the register in which they return an error changes.
  /// Asynchronous functions, which preserve less, do not run in interrupts.
  let preservedBySwift: RegisterSet
  /// Bytes that a call instruction pushes.
  let returnAddressSize: Int64
  /// Bytes that the hardware pushes when it enters a handler, with what it aligns by.
  let interruptFrameSize: UInt64
  /// The bit of the flags word that is about interrupts, and whether it is set when they are on.
  let interruptBit: UInt64
  let interruptBitMeansEnabled: Bool

  /// System V ABI for x86-64, section 3.2. An interrupt pushes five words, some an error code, and
  /// aligns the stack to 16 bytes before (Intel SDM, volume 3, 6.14).
  static let x86 = CallingConvention(
    registerCount: 16, stackPointer: Register(4), framePointer: Register(5),
    arguments: [7, 6, 2, 1, 8, 9].map(Register.init),
    preserved: [3, 4, 5, 12, 13, 14, 15], preservedBySwift: [3, 4, 5, 13, 14, 15],
    returnAddressSize: 8, interruptFrameSize: 6 * 8 + 8,
    interruptBit: 1 << 9, interruptBitMeansEnabled: true)

  /// Procedure Call Standard for the Arm 64-bit Architecture, section 6. Exceptions push nothing;
  /// PSTATE.I masks interrupts when set (Arm ARM, C5.2.2).
  static let arm64 = CallingConvention(
    registerCount: 32, stackPointer: Register(31), framePointer: Register(29),
    arguments: (0..<8).map(Register.init),
    preserved: [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31],
    preservedBySwift: [19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 31],
    returnAddressSize: 0, interruptFrameSize: 0,
    interruptBit: 1 << 7, interruptBitMeansEnabled: false)
}

extension RegisterSet: ExpressibleByArrayLiteral {
  /// The set of registers with these numbers.
  public init(arrayLiteral numbers: UInt8...) {
    self.init(rawValue: numbers.reduce(0) { $0 | 1 << UInt32($1 & 31) })
  }

  /// Whether the register is in the set.
  @inline(__always)
  func holds(_ number: Int) -> Bool { rawValue & 1 << UInt32(number) != 0 }
}
