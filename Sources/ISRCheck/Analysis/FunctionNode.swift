/// A function as it runs in one context, and what is found in it.
///
/// The same function is looked at once for each context in which it is called, because what it may
/// do depends on it: turn interrupts back to what they were, write registers that are saved.
final class FunctionNode {
  /// What a function finds when it is entered.
  struct Context: Hashable {
    var interrupts: InterruptFlag
    var saved: ExtendedState
  }

  struct Key: Hashable {
    var entry: UInt64
    var context: Context
  }

  let index: Int
  let entry: UInt64
  let context: Context

  /// What is known at the start of each block.
  var blocks: [UInt64: Block] = [:]
  /// Where the pieces of code end that begin at a block's start.
  var ends: [UInt64: UInt64] = [:]
  /// Calls and jumps that leave the function, by address.
  var sites: [UInt64: CallSite] = [:]
  /// How the machine is left, once it is known that the function returns.
  var exit: Context?
  /// Who goes on when it returns.
  var waiters: [Waiter: MachineState?] = [:]

  /// Instructions that write extended registers which are not saved there.
  var extendedWrites: [UInt64: ExtendedState] = [:]
  var extendedReads: [UInt64: ExtendedState] = [:]
  /// Instructions that turn interrupts on where they were off.
  var interruptsEnabled: Set<UInt64> = []
  /// Returns at which interrupts are not as they were at the entry.
  var unbalancedExits: Set<UInt64> = []
  var undecodable: Set<UInt64> = []
  /// The first instruction after which nothing is known of the stack pointer.
  var unboundedFrame: UInt64?
  /// The most bytes below the stack pointer at entry, without those of called functions.
  var depth: Int64 = 0

  struct Block {
    var state: MachineState
    var visits = 0
    var isQueued = false
  }

  /// A call that waits for this function to return: whose, and where. A continuation of `nil`
  /// is the return of the caller itself, which jumped here in place of a call.
  struct Waiter: Hashable, Comparable {
    var caller: Int
    var site: UInt64
    var continuation: UInt64?

    static func < (a: Waiter, b: Waiter) -> Bool {
      (a.caller, a.site, a.continuation ?? 0) < (b.caller, b.site, b.continuation ?? 0)
    }
  }

  init(index: Int, key: Key) {
    self.index = index
    entry = key.entry
    context = key.context
  }
}

/// A call, or a jump in place of one.
struct CallSite {
  var address: UInt64
  /// By entry address; with the node that runs, unless it is not looked into.
  var targets: [UInt64: Target] = [:]
  /// It is not known where it goes, or not all of it.
  var isUnresolved = false
  var isIndirect: Bool
  /// What is known of an unresolved target, for messages.
  var detail: String?
  /// Bytes between the stack pointer at the function's entry and the one at the callee's, or `nil`
  /// when unknown.
  var depth: Int64?
  var interrupts: InterruptFlag
  /// A lock that is taken here.
  var lock: LockClass?
  var lockDisablesInterrupts = false

  struct Target {
    var step: ResolutionStep
    var node: Int?
  }
}

/// Locks that are treated alike.
struct LockClass: Hashable, Comparable {
  var name: String
  /// Whether the name says which lock it is.
  var isKnown: Bool

  static func < (a: LockClass, b: LockClass) -> Bool { a.name < b.name }
}
