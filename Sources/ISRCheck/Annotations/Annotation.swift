/// What somebody has declared about a function of an image, in the image's table (the section
/// `.isr.notes`) or in a policy file.
public struct Annotation: Equatable, Sendable {
  /// The address of the function, or for `vectors` that of the table.
  public var function: UInt64
  public var kind: Kind
  public var origin: Origin

  public init(function: UInt64, kind: Kind, origin: Origin) {
    self.function = function
    self.kind = kind
    self.origin = origin
  }

  /// Where the annotation stands.
  public enum Origin: Equatable, Sendable {
    /// In the image's table, record `index`.
    case table(index: Int)
    /// In a policy file.
    case policy(path: String, line: Int)
    /// On the command line.
    case option(String)
  }

  /// What is declared. The numbers of the table are in `AnnotationTable`, the words of a policy
  /// file in `PolicyFile`.
  public enum Kind: Hashable, Sendable {
    /// Entered by the hardware, or by entry code that is declared elsewhere: the checks start here.
    /// Roots of a higher level interrupt those of a lower one. `vector` is for messages.
    case root(level: UInt32, vector: UInt64?)
    /// A table at this address whose entries the hardware jumps to: `count` addresses of 8 bytes
    /// (`stride` 0) or pieces of code `stride` bytes apart. Each must lead to a declared root.
    case vectors(count: UInt32, stride: UInt64)
    /// Not looked into: whoever declares it answers for it.
    case trusted(reason: String)
    /// May not be reached from an interrupt.
    case denied(Denial, reason: String?)
    /// Does not return, and what it reaches does not matter: the machine is going down.
    case fatal
    /// Argument `argument` (from 0) of each call is the address of a handler: a new root if `set` is
    /// 0, else a member of that set.
    case registersHandler(argument: UInt32, set: UInt64)
    /// Each indirect call in this function goes to a member of the set.
    /// That the set has no member in the image is a finding, because a registration may have been
    /// overlooked, unless `orNobody` says that this may be.
    case callsMembers(set: UInt64, orNobody: Bool = false)
    /// A member of the set.
    case member(set: UInt64)
    /// Takes, or gives back, a lock.
    case acquires(Lock)
    case releases(Lock)
    /// The stack that this root runs on has `size` bytes. Roots with the same `stack` (not 0) share
    /// one, on which they nest by level.
    case stack(size: UInt32, stack: UInt64)
    /// The function's own frame has at most `size` bytes, where the analysis cannot tell.
    case frame(size: UInt32)
    /// Saves, or restores, these groups of extended registers: between the two they may be written.
    case savesExtendedState(ExtendedState)
    case restoresExtendedState(ExtendedState)
    /// Calls itself, directly or through others, at most `depth` deep.
    case recursion(depth: UInt32)
    /// Written for use in interrupts: what `--strict` demands of all that is reached.
    case interruptSafe
    /// Turns interrupts off, on, or back to what a caller has kept.
    case interruptState(InterruptChange)
    /// Goes where a register says, as a call or jump through the register would.
    case indirectThunk(register: UInt8)
    /// A jump to it is a return.
    case returnThunk
    /// What enters at this root was caused by the code that it interrupts, and goes on like a function
    /// which that code calls: it may turn interrupts on. Only in policies.
    case fault
    /// Although it is denied, the root `root` may reach it, by symbol or readable name. Only in policies.
    case permitted(root: String, reason: String)
  }

  /// Why a function is denied.
  public enum Denial: UInt32, Sendable, CaseIterable {
    case other = 0
    case allocates = 1
    case blocks = 2
  }

  /// A lock as an annotation knows it.
  public struct Lock: Hashable, Sendable {
    /// The argument (from 0) that is the lock's address.
    public var argument: UInt32?
    /// The class of all locks that this function takes, when it is not told by the argument.
    public var className: String?
    /// Interrupts are off from before the lock is taken.
    public var disablesInterrupts: Bool

    public init(argument: UInt32?, className: String?, disablesInterrupts: Bool) {
      self.argument = argument
      self.className = className
      self.disablesInterrupts = disablesInterrupts
    }
  }

  /// What a function does to the interrupt flag.
  public enum InterruptChange: UInt32, Sendable, CaseIterable {
    case disables = 0
    case enables = 1
    /// To what it was when the caller's caller asked: unknown to the analysis, taken as balanced.
    case restores = 2
  }
}
