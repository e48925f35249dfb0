/// One machine instruction, as far as the analysis needs to know it, whatever the architecture.
///
/// A decoder fills in where control goes, which registers change and to what, and what extended
/// state is read and written. Where it cannot say what a register becomes, it says that it is
/// overwritten: that is always right, and only costs precision.
public struct Instruction: Equatable, Sendable {
  /// The address of the first byte.
  public var address: UInt64
  /// The number of bytes.
  public var length: UInt8
  /// Where control goes after it.
  public var flow: Flow
  /// What it does to general registers, the stack and the interrupt flag.
  public var operation: Operation
  /// All general registers that it changes, the destination of `operation` included.
  public var overwrites: RegisterSet
  /// Extended state that it changes without having been told to save or restore it.
  public var extendedWrites: ExtendedState
  /// Extended state that it only reads.
  public var extendedReads: ExtendedState
  /// Extended state that it stores to memory as a whole, as `fxsave` does.
  public var extendedSaves: ExtendedState
  /// Extended state that it loads from memory as a whole, as `fxrstor` does.
  public var extendedRestores: ExtendedState
  /// Whether it may write to memory; what `operation` stores to and pushes included.
  public var writesMemory: Bool
  /// What becomes of the base register of its access to memory, beside `operation`; also in
  /// `overwrites`.
  public var writeBack: WriteBack?

  public init(
    address: UInt64, length: UInt8, flow: Flow = .next, operation: Operation = .none,
    overwrites: RegisterSet = [], extendedWrites: ExtendedState = [],
    extendedReads: ExtendedState = [], extendedSaves: ExtendedState = [],
    extendedRestores: ExtendedState = [], writesMemory: Bool = false,
    writeBack: WriteBack? = nil
  ) {
    self.address = address
    self.length = length
    self.flow = flow
    self.operation = operation
    self.overwrites = overwrites
    self.extendedWrites = extendedWrites
    self.extendedReads = extendedReads
    self.extendedSaves = extendedSaves
    self.extendedRestores = extendedRestores
    self.writesMemory = writesMemory
    self.writeBack = writeBack
  }

  /// The address of the next instruction in memory.
  public var end: UInt64 { address &+ UInt64(length) }

  /// Where control goes after an instruction.
  public enum Flow: Equatable, Sendable {
    /// To the next one; also after system calls, breakpoints and `hlt`.
    case next
    case jump(UInt64)
    /// To the target or to the next one. The condition is about the last comparison, or about the
    /// one that `operation` is; that one is no longer known behind the branch.
    case branch(UInt64, Condition)
    /// To the target, and from there back to the next one. A call of the next instruction, which
    /// is how code finds out its address, is a call too.
    case call(UInt64)
    case indirectJump(Operand)
    case indirectCall(Operand)
    case `return`
    /// Back to what was interrupted: `iretq`, `sysret`, `eret`.
    case interruptReturn
    /// Nowhere: an instruction that always traps, such as `ud2` or `brk`.
    case stop
  }

  /// When a branch is taken, in terms of the two values of the comparison before it. All others
  /// (signed, overflow, parity) are `other`: taken or not, nothing is learnt.
  public enum Condition: Equatable, Sendable {
    case equal, notEqual
    /// Unsigned.
    case below, belowOrEqual, above, aboveOrEqual
    case other

    /// The condition under which the branch is not taken.
    public var negated: Condition {
      switch self {
      case .equal: .notEqual
      case .notEqual: .equal
      case .below: .aboveOrEqual
      case .aboveOrEqual: .below
      case .above: .belowOrEqual
      case .belowOrEqual: .above
      case .other: .other
      }
    }
  }

  /// What an instruction does, for those from which something can be learnt.
  public enum Operation: Equatable, Sendable {
    /// Nothing but what `overwrites` and `writesMemory` say; comparison flags stay as they are.
    case none
    /// As `none`, and the comparison flags are no longer known.
    case changesFlags
    /// The destination becomes the source's low `bits` bits, with zeroes or copies of the sign
    /// above, up to `resultBits`; a result of 32 bits clears what is above it, one of 8 or 16 bits
    /// leaves it.
    case copy(to: Register, from: Operand, bits: UInt8, signExtends: Bool, resultBits: UInt8)
    /// Like a copy if the condition holds, else nothing (but clearing above 32 bits).
    case conditionalCopy(to: Register, from: Operand, bits: UInt8, Condition)
    /// The destination becomes `left OP right`, both of `bits` bits (32 or 64).
    case arithmetic(Arithmetic, to: Register, Operand, Operand, bits: UInt8, setsFlags: Bool)
    /// The destination becomes the address that the memory operand stands for.
    case address(to: Register, Memory, bits: UInt8)
    /// Sets the flags to `left - right`.
    case compare(Operand, Operand, bits: UInt8)
    /// Sets the flags to `left & right`.
    case test(Operand, Operand, bits: UInt8)
    /// Memory becomes what is not known, over an unknown length if the size is 0; comparison flags
    /// are no longer known.
    case overwrite(Memory)
    /// Memory becomes the value's low bits.
    case store(Memory, Operand)
    /// The bits of the mask become those of the value, the others stay (AArch64 `movk`).
    case insert(to: Register, value: UInt64, mask: UInt64)
    /// Two registers of AArch64 are stored, or loaded, one behind the other, each with the size of
    /// the access; `nil` for a value that is dropped.
    case storePair(Memory, Operand, Operand)
    case loadPair(Register?, Register?, Memory)
    case push(Operand)
    /// `nil`: the value is dropped or goes to where nothing is tracked.
    case pop(Register?)
    /// x86's `leave`: the stack pointer becomes the frame pointer, which is then popped.
    case leave
    /// The flags with the interrupt flag are pushed, or popped (x86 `pushfq`, `popfq`).
    case pushFlags
    case popFlags
    /// The register becomes the interrupt flags, or they become the register (AArch64 `DAIF`).
    case readInterruptFlags(Register)
    case writeInterruptFlags(Register)
    case disableInterrupts
    case enableInterrupts
  }

  /// A base register of AArch64 that changes by an offset, before the access or after it. The
  /// access itself is without the offset: before it, the register has changed already.
  public struct WriteBack: Equatable, Sendable {
    public var base: Register
    public var offset: Int64
    public var isBefore: Bool

    public init(base: Register, offset: Int64, isBefore: Bool) {
      self.base = base
      self.offset = offset
      self.isBefore = isBefore
    }
  }

  /// An operation on two numbers.
  public enum Arithmetic: Equatable, Sendable {
    case add, subtract, and, or, exclusiveOr, shiftLeft, shiftRight, multiply
  }
}

/// A number that an instruction uses.
public enum Operand: Equatable, Sendable {
  case register(Register)
  case immediate(UInt64)
  case memory(Memory)
}

/// A general register by its number in the instruction set. On AArch64 31 is the stack pointer;
/// where it reads as zero, decoders give `Operand.immediate(0)`.
public struct Register: Hashable, Sendable {
  public var number: UInt8

  public init(_ number: UInt8) { self.number = number }
}

/// A set of general registers.
public struct RegisterSet: OptionSet, Sendable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public init(_ register: Register) { rawValue = 1 << UInt32(register.number & 31) }
}

/// An access to memory: `base + index * scale + displacement`.
public struct Memory: Equatable, Sendable {
  /// `nil` for an absolute address, to which decoders also turn those relative to the
  /// instruction: then the displacement is the address.
  public var base: Register?
  public var index: Register?
  public var scale: UInt8
  public var displacement: Int64
  /// The size of the access in bytes.
  public var size: UInt8
  /// Relative to a segment or thread register (x86 `fs:`, `gs:`), whose value is not known.
  public var isSegmented: Bool
  /// How many low bits of the index count (64, or 32 on AArch64 with `uxtw`); the rest is zero.
  public var indexBits: UInt8

  public init(
    base: Register? = nil, index: Register? = nil, scale: UInt8 = 1, displacement: Int64 = 0,
    size: UInt8, isSegmented: Bool = false, indexBits: UInt8 = 64
  ) {
    self.base = base
    self.index = index
    self.scale = scale
    self.displacement = displacement
    self.size = size
    self.isSegmented = isSegmented
    self.indexBits = indexBits
  }
}

extension Memory {
  /// The access of the same size behind this one.
  var next: Memory {
    var result = self
    result.displacement &+= Int64(size)
    return result
  }
}
