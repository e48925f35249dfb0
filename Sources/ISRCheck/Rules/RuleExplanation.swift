extension Rule {
  /// The rule that a user means by an id or a slug, in whatever case, or `nil`.
  public init?(name: String) {
    let name = name.lowercased()
    let rule = Self.allCases.first { $0.rawValue.lowercased() == name || $0.slug == name }
    guard let rule else { return nil }
    self = rule
  }

  /// The rule's name in words, for flags.
  public var slug: String {
    switch self {
    case .extendedWrite: "extended-write"
    case .extendedRead: "extended-read"
    case .deniedCall: "denied-call"
    case .unresolvedIndirect: "unresolved-indirect-call"
    case .recursion: "recursion"
    case .stackOverflow: "stack-overflow"
    case .unboundedFrame: "unbounded-frame"
    case .interruptState: "interrupt-state"
    case .lockInversion: "lock-inversion"
    case .undecodable: "undecodable"
    case .undeclaredVector: "undeclared-vector"
    case .notAnnotated: "not-annotated"
    case .tracedOutside: "traced-outside"
    }
  }

  /// What the rule is about, in one line.
  public var summary: String {
    switch self {
    case .extendedWrite: "Interrupt code changes registers that its entry does not save"
    case .extendedRead: "Interrupt code reads registers that its entry does not save"
    case .deniedCall: "Interrupt code reaches a function that is denied to it"
    case .unresolvedIndirect: "Interrupt code calls a function that cannot be told"
    case .recursion: "Interrupt code calls itself without a declared depth"
    case .stackOverflow: "Interrupt code may need more stack than there is"
    case .unboundedFrame: "A stack frame in interrupt code has no bound"
    case .interruptState: "Interrupt code turns interrupts on, or returns with another state"
    case .lockInversion: "A lock is taken in an interrupt and elsewhere with interrupts on"
    case .undecodable: "Interrupt code holds bytes that are no known instruction"
    case .undeclaredVector: "A vector leads to code that is not declared as a root"
    case .notAnnotated: "A function that interrupts reach is not declared safe for them"
    case .tracedOutside: "Code ran in an interrupt that was not found by reading the image"
    }
  }

  /// What the rule is, why it matters, how to mend a finding, and how to declare an exception: one
  /// paragraph.
  public var explanation: String {
    switch self {
    case .extendedWrite:
      """
      An interrupt's entry saves the general registers, but not the floating-point and vector \
      registers, because that would make each interrupt slow. Code that runs in an interrupt and \
      writes one of them (x87, MMX, SSE, AVX, AVX-512, AMX; on AArch64 SIMD, SVE, SME) spoils the \
      program that was interrupted, which computes wrong results much later. Compilers use vector \
      registers also for code without any floating point, such as copies of structures. Compile \
      the interrupt's code for general registers only (gcc and clang: -mgeneral-regs-only, or \
      -mno-sse and -mno-implicit-float), or keep floating point out of it. Where the registers \
      are saved on purpose, declare the functions that save and restore the extended state: \
      between the two, writes are allowed. A function may also be declared as trusted, with a \
      reason.
      """
    case .extendedRead:
      """
      Code that runs in an interrupt reads a floating-point or vector register that it has not \
      written: it sees a value of the program that was interrupted. That harms nobody, and the \
      usual case is a C function with variable arguments, which stores the registers that might \
      hold arguments. So it is a note, which the text report shows with --verbose only. It is \
      worth a look where a secret could leak, or where the unit may be turned off, since then \
      also a read traps. Compile the code for general registers only to get rid of it, or declare \
      the functions that save and restore the extended state around it.
      """
    case .deniedCall:
      """
      A function is denied to interrupts when it blocks, allocates memory, or must not run there \
      for another reason: whatever was interrupted may hold the very lock that the function waits \
      for, and then the CPU waits for ever. No name is denied by default; the image's table or a \
      policy file says which functions are. Follow the chain of calls in the notes and cut it: \
      prepare memory beforehand, hand the work to a thread, or call a variant that does not wait. \
      If the chain cannot happen, declare one of its functions as trusted, with a reason. If it \
      ends in a crash anyway, declare the function that stops the machine as fatal.
      """
    case .unresolvedIndirect:
      """
      Interrupt code calls or jumps through a pointer, and no step of the ladder tells where to: \
      it is no constant, not handed to a function that registers handlers, has no type hash, and \
      nothing is declared. What the call reaches is not checked, so the result is no proof. Make \
      the pointer constant (read-only memory is best), call the function directly, declare the \
      function that registers handlers, or declare the set of targets: which function calls the \
      set's members, and which functions are members. With --bound each function whose address \
      is taken counts as a target, which is safe but reports far too much. Under --prove this is \
      an error.
      """
    case .recursion:
      """
      A function that interrupts reach calls itself, directly or through others. The stack of an \
      interrupt is small, and without a bound of the depth nobody can say that it suffices. \
      Write the function as a loop, or declare how deep it calls itself at most: the bound then \
      counts for the stack, and is listed among what was assumed. Under --prove this is an error.
      """
    case .stackOverflow:
      """
      The worst case of the stack that a root needs, together with all roots of a higher level \
      that may interrupt it on the same stack, is more than the size that is declared. An overflow \
      overwrites other memory or faults where no fault can be handled. The notes show the deepest \
      chain with the bytes of each function. Make frames smaller (large local arrays are the \
      usual reason), keep code of rare cases out of line, give the stack more bytes, or give the \
      root a stack of its own. If the deepest chain cannot happen, cut it by declaring a function \
      in it as trusted, with a reason, or as fatal.
      """
    case .unboundedFrame:
      """
      A function that interrupts reach moves its stack pointer by an amount that is not known when \
      it is compiled, as alloca and arrays of variable length do, or in a way that the analysis \
      cannot follow. So there is no bound of the stack. Use an array of fixed size, or declare \
      how many bytes the function's frame has at most. Under --prove this is an error where the \
      stack's size is declared.
      """
    case .interruptState:
      """
      Interrupt code turns interrupts on, or returns on some paths with interrupts on and on \
      others with them off. A handler that turns them on can be interrupted by itself, over and \
      over, until its stack is full, and its locks are no longer safe. Keep the state at the \
      start, and restore it on each path, instead of turning interrupts on. A function that does \
      so on purpose is declared with what it does: disables, enables, or restores interrupts. \
      Under --prove this is an error, because the bound of the stack depends on it.
      """
    case .lockInversion:
      """
      Locks of one class are taken in an interrupt, and elsewhere while interrupts are on. If the \
      interrupt comes just there, on the CPU that holds the lock, its handler waits for a lock \
      that cannot be given back: the CPU stands still for ever. Turn interrupts off before the \
      lock is taken, everywhere, or do not take it in the interrupt. A function that takes a lock \
      with interrupts off is declared so (the flag of its declaration). If two locks only look \
      alike, give them classes with different names.
      """
    case .undecodable:
      """
      Control reaches bytes that are no instruction that the checker knows, so what happens there \
      and behind it is not checked. Usually a function that does not return was called and is not \
      declared: then the bytes behind the call are data or padding. Declare such a function as \
      fatal. If the bytes are right, and only newer than the checker, declare the function as \
      trusted, with a reason. Under --prove this is an error.
      """
    case .undeclaredVector:
      """
      A table of vectors is declared, and one of its entries leads to code that is not declared as \
      a root. The hardware can enter there, but nothing of what it reaches is checked, so a clean \
      result says less than it seems to. Declare the code as a root, with its level and vector. \
      If the vector cannot occur, let its entry lead to one that stops the machine, and declare \
      that as a root too.
      """
    case .notAnnotated:
      """
      With --strict, each function that interrupts reach must be declared as written for them: \
      such a declaration tells the next author that the function runs in interrupts. This \
      function has none. Declare it as interrupt-safe after a look at it, place it in .text.isr, \
      or do not call it from there. The other rules check it in any case; without --strict this \
      rule is off.
      """
    case .tracedOutside:
      """
      With --trace the check is told which instructions really ran inside interrupts, for instance \
      by a trace of a virtual machine. Each of them has to be among those that were found by \
      reading the image; one that is not shows that the proof left something out: a root or a \
      member of a set that is not declared, an interrupt entry that is not known, or code that is \
      changed while it runs. Declare what is missing, as a root, a vector table, or a member of \
      the set that a call goes to. There is no exception from this rule.
      """
    }
  }
}
