/// Follows code from entries, block by block, through calls, until nothing new is learnt.
///
/// A block after a call is reached only when the called function is found to return, so code
/// behind calls that never return is not taken for a part of the function.
///
/// Everything is done in the order of addresses, so that two checks of an image say the same in the
/// same words.
final class Exploration {
  let image: CodeImage
  let annotations: AnnotationIndex
  /// Adds all functions whose address is taken to calls of which nothing is known.
  let addressTaken: [UInt64]?
  /// Calls are not followed: they return and leave interrupts as they are.
  let isShallow: Bool
  /// Functions are looked at once, whatever the context in which they are called.
  let ignoresContext: Bool
  private(set) var nodes: [FunctionNode] = []
  /// What calls of functions that register handlers hand over; `nil` where that is not known.
  private(set) var registrations: [Registration: Set<UInt64>?] = [:]

  struct Registration: Hashable {
    var site: UInt64
    var argument: UInt32
    var set: UInt64
  }

  var interpreter: Interpreter
  private var indices: [FunctionNode.Key: Int] = [:]
  private var queue: [(node: Int, block: UInt64)] = []
  private lazy var typeHashes = TypeHashes(image)

  /// After so many visits of a block what still changes is given up.
  private static let wideningVisits = 6

  init(
    _ image: CodeImage, _ annotations: AnnotationIndex, isShallow: Bool = false,
    ignoresContext: Bool = false, addressTaken: [UInt64]? = nil
  ) {
    self.isShallow = isShallow
    self.ignoresContext = ignoresContext
    self.image = image
    self.annotations = annotations
    self.addressTaken = addressTaken
    interpreter = Interpreter(image: image)
  }

  /// The node of a function in a context; queued if it is new.
  func node(_ entry: UInt64, _ context: FunctionNode.Context) -> FunctionNode {
    let context = ignoresContext ? .init(interrupts: .unknown, saved: []) : context
    let key = FunctionNode.Key(entry: entry, context: context)
    if let index = indices[key] { return nodes[index] }
    let node = FunctionNode(index: nodes.count, key: key)
    indices[key] = node.index
    nodes.append(node)
    let state = MachineState(
      image.convention, interrupts: context.interrupts, saved: context.saved)
    propagate(state, to: entry, in: node)
    return node
  }

  /// Follows everything that is queued.
  func run() {
    while let (index, start) = queue.popLast() {
      let node = nodes[index]
      guard var block = node.blocks[start], block.isQueued else { continue }
      block.isQueued = false
      block.visits += 1
      node.blocks[start] = block
      follow(from: start, block.state, in: node)
    }
  }

  /// Joins a state into a block, which is followed again if that told anything new.
  private func propagate(_ state: MachineState, to address: UInt64, in node: FunctionNode) {
    guard var block = node.blocks[address] else {
      node.blocks[address] = .init(state: state, isQueued: true)
      queue.append((node.index, address))
      return
    }
    let joined = block.state.joined(
      with: state, widening: block.visits >= Self.wideningVisits, sets: &interpreter.sets,
      isCode: image.isCode)
    guard joined != block.state else { return }
    block.state = joined
    if !block.isQueued {
      block.isQueued = true
      queue.append((node.index, address))
    }
    node.blocks[address] = block
  }

  // MARK: A block

  private func follow(from start: UInt64, _ initial: MachineState, in node: FunctionNode) {
    var state = initial
    var address = start
    while true {
      if address != start {
        if let next = image.patches.continuation(after: address) {
          propagate(state, to: next, in: node)
          break
        }
        if node.blocks[address] != nil {
          propagate(state, to: address, in: node)
          break
        }
        if endsInto(address, state, in: node) { break }
      }
      for other in image.patches.successors(of: address) { propagate(state, to: other, in: node) }
      guard let instruction = image.instruction(at: address) else {
        node.undecodable.insert(address)
        break
      }
      let goesOn = step(instruction, &state, in: node)
      address = instruction.end
      if !goesOn { break }
    }
    node.ends[start] = max(node.ends[start] ?? 0, address)
  }

  /// Code that runs into another function goes on there, as if it had jumped.
  private func endsInto(_ address: UInt64, _ state: MachineState, in node: FunctionNode) -> Bool {
    guard address != node.entry, image.functions.isStart(address) else { return false }
    jump(to: address, from: address, state, in: node)
    return true
  }

  /// Follows one instruction; returns whether the next one in memory follows.
  private func step(
    _ instruction: Instruction, _ state: inout MachineState, in node: FunctionNode
  ) -> Bool {
    noteExtendedState(instruction, &state, in: node)
    let address = instruction.address
    switch instruction.flow {
    case .next:
      let interrupts = state.interrupts
      interpreter.apply(instruction, to: &state)
      if state.interrupts == .on && interrupts != .on { node.interruptsEnabled.insert(address) }
      noteStack(after: instruction, state, in: node)
      return true
    case .stop: return false
    case .return:
      if returnsElsewhere(state) {
        interpreter.apply(
          Instruction(address: address, length: 0, operation: .pop(nil)), to: &state)
        let popped = Memory(base: image.convention.stackPointer, displacement: -8, size: 8)
        indirectJump(.memory(popped), instruction, &state, in: node)
      } else {
        finish(
          at: address, FunctionNode.Context(interrupts: state.interrupts, saved: state.saved),
          in: node)
      }
      return false
    // What was interrupted gets back its own interrupt flag, whatever it is here.
    case .interruptReturn: return false
    case .jump(let target):
      interpreter.apply(instruction, to: &state)
      jump(to: target, from: address, state, in: node)
      return false
    case .branch(let target, let condition):
      interpreter.apply(instruction, to: &state)
      let outcome = interpreter.outcome(of: condition, in: state)
      if outcome != false {
        var taken = state
        interpreter.assume(condition, in: &taken)
        if instruction.operation != .none { taken.comparison = nil }
        jump(to: target, from: address, taken, in: node)
      }
      if outcome == true { return false }
      interpreter.assume(condition.negated, in: &state)
      // A branch that compares for itself leaves the flags alone: they are not its comparison's.
      if instruction.operation != .none { state.comparison = nil }
      return true
    case .call(let target):
      call([target: .direct], instruction, isIndirect: false, unresolved: nil, state, in: node)
      return false
    case .indirectCall(let operand):
      let found = resolve(operand, instruction, &state, in: node)
      call(
        found.targets, instruction, isIndirect: true, unresolved: found.unresolved, state, in: node)
      return false
    case .indirectJump(let operand):
      indirectJump(operand, instruction, &state, in: node)
      return false
    }
  }

  /// Whether a return goes to what the function has put on the stack, and not to its caller.
  private func returnsElsewhere(_ state: MachineState) -> Bool {
    guard image.convention.returnAddressSize > 0,
      let offset = state[image.convention.stackPointer].stackOffset
    else { return false }
    return state.slots[offset]?.kind != .returnAddress
  }

  private func noteExtendedState(
    _ instruction: Instruction, _ state: inout MachineState, in node: FunctionNode
  ) {
    state.saved.formUnion(instruction.extendedSaves)
    let unsaved = instruction.extendedWrites.union(instruction.extendedRestores)
      .subtracting(state.saved)
    if !unsaved.isEmpty { node.extendedWrites[instruction.address] = unsaved }
    state.saved.subtract(instruction.extendedRestores)
    // What was saved is the handler's own until it is restored.
    let foreign = instruction.extendedReads.subtracting(state.saved)
    if !foreign.isEmpty { node.extendedReads[instruction.address] = foreign }
  }

  private func noteStack(
    after instruction: Instruction, _ state: MachineState, in node: FunctionNode
  ) {
    let sp = Int(image.convention.stackPointer.number)
    if case .stack(let offset) = state.registers[sp].kind {
      if -offset > node.depth { node.depth = -offset }
    } else if node.unboundedFrame == nil {
      node.unboundedFrame = instruction.address
    }
  }

  // MARK: Leaving a function

  private func finish(at address: UInt64, _ context: FunctionNode.Context, in node: FunctionNode) {
    if context.interrupts != node.context.interrupts { node.unbalancedExits.insert(address) }
    var exit = node.exit ?? context
    exit.interrupts = exit.interrupts.joined(with: context.interrupts)
    exit.saved.formIntersection(context.saved)
    guard exit != node.exit else { return }
    node.exit = exit
    for (waiter, state) in node.waiters.sorted(by: { $0.key < $1.key }) {
      resume(waiter, state, after: node)
    }
  }

  private func resume(
    _ waiter: FunctionNode.Waiter, _ state: MachineState?, after callee: FunctionNode
  ) {
    guard let exit = callee.exit else { return }
    let caller = nodes[waiter.caller]
    guard let continuation = waiter.continuation, var state else {
      finish(at: waiter.site, exit, in: caller)
      return
    }
    state.interrupts = exit.interrupts
    state.saved = exit.saved
    propagate(state, to: continuation, in: caller)
  }

  private func wait(
    for callee: FunctionNode, _ waiter: FunctionNode.Waiter, _ state: MachineState?
  ) {
    callee.waiters[waiter] = .some(state)
    resume(waiter, state, after: callee)
  }

  /// A jump to a known place: within the function, or in place of a call and a return.
  private func jump(
    to target: UInt64, from address: UInt64, _ state: MachineState, in node: FunctionNode
  ) {
    guard target != node.entry, isCallable(target, state) else {
      propagate(state, to: target, in: node)
      return
    }
    leave([target: .tail], address, isIndirect: false, unresolved: nil, state, in: node)
  }

  /// Whether a jump to a place leaves the function: another one starts there, and the stack is as
  /// it was at the entry, or on another stack. With a frame on the stack the code there is a part of
  /// this function.
  private func isCallable(_ target: UInt64, _ state: MachineState) -> Bool {
    let declared = annotations[target]
    if declared?.isReturnThunk == true || declared?.thunkRegister != nil { return true }
    guard image.functions.isStart(target) || declared != nil else { return false }
    let offset = state[image.convention.stackPointer].stackOffset
    return declared != nil || offset == 0 || offset == nil
  }

  private func indirectJump(
    _ operand: Operand, _ instruction: Instruction, _ state: inout MachineState,
    in node: FunctionNode
  ) {
    let found = resolve(operand, instruction, &state, in: node)
    // The places of a switch lie in the function; what starts another one leaves it.
    var leaving: [UInt64: ResolutionStep] = [:]
    for (target, step) in Self.inOrder(found.targets) {
      if step == .constant && (target == node.entry || !isCallable(target, state)) {
        propagate(state, to: target, in: node)
      } else {
        leaving[target] = step
      }
    }
    let depth = state[image.convention.stackPointer].stackOffset
    if !leaving.isEmpty || found.unresolved != nil || found.targets.isEmpty {
      leave(
        leaving, instruction.address, isIndirect: true, unresolved: found.unresolved, state,
        in: node)
    } else {
      var site = CallSite(
        address: instruction.address, isIndirect: true, interrupts: state.interrupts)
      site.depth = depth.map { -$0 }
      for target in found.targets.keys { site.targets[target] = .init(step: .constant, node: nil) }
      node.sites[instruction.address] = site
    }
  }

  /// Jumps in place of calls: what they reach returns to this function's caller.
  private func leave(
    _ targets: [UInt64: ResolutionStep], _ address: UInt64, isIndirect: Bool,
    unresolved: String?, _ state: MachineState, in node: FunctionNode
  ) {
    var site = site(at: address, isIndirect, unresolved, state, pushing: 0)
    for (target, step) in Self.inOrder(targets) {
      let declared = annotations[target]
      if declared?.isReturnThunk == true {
        finish(
          at: address, .init(interrupts: state.interrupts, saved: state.saved), in: node)
        return
      }
      if let register = declared?.thunkRegister {
        var state = state
        let value = Operand.register(Register(register))
        let thunk = Instruction(address: address, length: 0, flow: .indirectJump(value))
        indirectJump(value, thunk, &state, in: node)
        return
      }
      let (node:callee, after) = enter(target, declared, state, &site, from: node)
      site.targets[target] = .init(step: step, node: callee?.index)
      if let callee {
        wait(for: callee, .init(caller: node.index, site: address, continuation: nil), nil)
      } else if let after {
        finish(at: address, .init(interrupts: after.interrupts, saved: after.saved), in: node)
      }
    }
    if unresolved != nil {
      finish(at: address, .init(interrupts: state.interrupts, saved: state.saved), in: node)
    }
    node.sites[address] = site
  }

  // MARK: Calls

  private func call(
    _ targets: [UInt64: ResolutionStep], _ instruction: Instruction, isIndirect: Bool,
    unresolved: String?, _ state: MachineState, in node: FunctionNode
  ) {
    let address = instruction.address
    let convention = image.convention
    // A call of the next instruction pushes its own address; the code takes it from there.
    if targets.count == 1, targets[instruction.end] != nil, convention.returnAddressSize > 0 {
      var state = state
      interpreter.apply(
        Instruction(
          address: address, length: 0, operation: .push(.immediate(instruction.end))), to: &state)
      propagate(state, to: instruction.end, in: node)
      return
    }
    var site = site(
      at: address, isIndirect, unresolved, state, pushing: convention.returnAddressSize)
    if let depth = site.depth, depth > node.depth { node.depth = depth }
    var goesOn = unresolved != nil
    // Code that replaces other code goes on behind that.
    let next = image.patches.continuation(after: instruction.end) ?? instruction.end
    let after = afterCall(state, of: targets.keys)
    for (target, step) in Self.inOrder(targets) {
      let declared = annotations[target]
      if let register = declared?.thunkRegister {
        var state = state
        let found = resolve(.register(Register(register)), instruction, &state, in: node)
        call(
          found.targets, instruction, isIndirect: true, unresolved: found.unresolved, state,
          in: node)
        return
      }
      let (node:callee, left) = enter(target, declared, state, &site, from: node)
      site.targets[target] = .init(step: step, node: callee?.index)
      let waiter = FunctionNode.Waiter(
        caller: node.index, site: address, continuation: next)
      if let callee {
        wait(for: callee, waiter, after)
      } else if let left {
        var after = after
        after.interrupts = left.interrupts
        after.saved = left.saved
        propagate(after, to: next, in: node)
      }
    }
    if targets.isEmpty { goesOn = true }
    if goesOn { propagate(after, to: next, in: node) }
    node.sites[address] = site
  }

  private func site(
    at address: UInt64, _ isIndirect: Bool, _ unresolved: String?, _ state: MachineState,
    pushing size: Int64
  ) -> CallSite {
    var site = CallSite(address: address, isIndirect: isIndirect, interrupts: state.interrupts)
    site.isUnresolved = unresolved != nil
    site.detail = unresolved
    site.depth = state[image.convention.stackPointer].stackOffset.map { -$0 + size }
    return site
  }

  /// Enters a called function. The node is `nil` when it is not looked into; then the second value
  /// says how it leaves the machine, or `nil` when it does not return.
  private func enter(
    _ target: UInt64, _ declared: AnnotationIndex.Declarations?, _ state: MachineState,
    _ site: inout CallSite, from caller: FunctionNode
  ) -> (node: FunctionNode?, MachineState?) {
    guard let declared else {
      if isShallow { return (nil, state) }
      guard image.isCode(target) else {
        site.isUnresolved = true
        site.detail = "it goes to \(hex(target)), where no code is"
        return (nil, state)
      }
      return (node(target, .init(interrupts: state.interrupts, saved: state.saved)), nil)
    }
    if declared.isFatal { return (nil, nil) }
    var after = state
    after.saved.formUnion(declared.saves)
    after.saved.subtract(declared.restores)
    switch declared.interruptChange {
    case .disables: after.interrupts = .off
    case .enables: after.interrupts = .on
    case .restores: after.interrupts = caller.context.interrupts
    case nil: break
    }
    if let lock = declared.acquires {
      site.lock = lockClass(lock, state)
      site.lockDisablesInterrupts = lock.disablesInterrupts
      if lock.disablesInterrupts { after.interrupts = .off }
    }
    if declared.releases?.disablesInterrupts == true {
      after.interrupts = caller.context.interrupts
    }
    for handler in declared.registers { noteRegistration(handler, at: site.address, state) }
    let isOpaque =
      isShallow || declared.trusted != nil
      || declared.denied != nil && declared.permitted.isEmpty
      || declared.interruptChange != nil
      || !declared.saves.isEmpty || !declared.restores.isEmpty || declared.acquires != nil
      || declared.releases != nil
    if isOpaque || !image.isCode(target) { return (nil, after) }
    return (node(target, .init(interrupts: state.interrupts, saved: state.saved)), nil)
  }

  /// A function that registers handlers is called: notes which one.
  private func noteRegistration(
    _ handler: (argument: UInt32, set: UInt64), at site: UInt64, _ state: MachineState
  ) {
    let key = Registration(site: site, argument: handler.argument, set: handler.set)
    var found = registrations[key] ?? []
    if Int(handler.argument) < image.convention.arguments.count,
      let constants = interpreter.constants(
        of: interpreter.whole(image.convention.arguments[Int(handler.argument)], in: state)),
      constants.allSatisfy({ $0 == 0 || image.isCode($0) })
    {
      found?.formUnion(constants.filter { $0 != 0 })
    } else {
      found = nil
    }
    registrations[key] = .some(found)
  }

  private func lockClass(_ lock: Annotation.Lock, _ state: MachineState) -> LockClass {
    if let name = lock.className { return LockClass(name: name, isKnown: true) }
    guard let argument = lock.argument, Int(argument) < image.convention.arguments.count else {
      return LockClass(name: "a lock that the call does not tell", isKnown: false)
    }
    let value = interpreter.whole(image.convention.arguments[Int(argument)], in: state)
    if let address = value.constant {
      return LockClass(
        name: image.functions.objectName(holding: address) ?? hex(address), isKnown: true)
    }
    if case .loaded(let address) = value.kind {
      let name = image.functions.objectName(holding: address) ?? hex(address)
      return LockClass(name: "*\(name)", isKnown: true)
    }
    return LockClass(name: "a lock that is not known", isKnown: false)
  }

  /// What is left of the caller's state when a called function returns.
  private func afterCall(
    _ state: MachineState, of targets: Dictionary<UInt64, ResolutionStep>.Keys
  ) -> MachineState {
    var after = state
    let isSwift =
      targets.isEmpty
      ? image.functions.hasSwift : targets.contains { image.functions.isSwift($0) }
    let preserved = isSwift ? image.convention.preservedBySwift : image.convention.preserved
    for index in after.registers.indices where !preserved.holds(index) {
      if after.registers[index].mayPointIntoFrame { after.frameHasEscaped = true }
      after.registers[index] = .unknown
    }
    after.comparison = nil
    after.typeCheck = nil
    after.forgetWhatEscaped()
    return after
  }

  // MARK: Indirect calls

  /// Where an indirect call or jump goes; `unresolved` says what is not known.
  private func resolve(
    _ operand: Operand, _ instruction: Instruction, _ state: inout MachineState,
    in node: FunctionNode
  ) -> (targets: [UInt64: ResolutionStep], unresolved: String?) {
    let check = state.typeCheck
    let value = interpreter.value(operand, bits: 64, in: &state, at: instruction.address)
    if case .indirectJump = instruction.flow,
      let places = places(of: value, from: instruction.address, in: node)
    {
      return (Self.targets(places, .constant), nil)
    }
    if let constants = interpreter.constants(of: value) {
      // Nobody calls a null pointer: it is what a check before has ruled out.
      let targets = constants.filter { $0 != 0 }
      if !targets.isEmpty && targets.allSatisfy(image.isCode) {
        return (Self.targets(targets, .constant), nil)
      }
    }
    let container = image.functions.function(holding: instruction.address)?.address ?? node.entry
    let sets =
      (annotations[container]?.calledSets ?? []) + (annotations[node.entry]?.calledSets ?? [])
    if !sets.isEmpty {
      var targets: [UInt64: ResolutionStep] = [:]
      for set in sets { targets.merge(annotations.members[set] ?? [:]) { old, _ in old } }
      let mayBeEmpty =
        annotations[container]?.mayCallNobody == true
        || annotations[node.entry]?.mayCallNobody == true
      return (
        targets,
        targets.isEmpty && !mayBeEmpty
          ? "its set has no members; a call that registers one may have been inlined" : nil
      )
    }
    if case .register(let register) = operand, let check, check.function == register,
      let hash = check.hash
    {
      let targets = typeHashes.functions(with: hash)
      return (Self.targets(targets, .typeHash), nil)
    }
    var detail = "nothing is known of the target"
    if case .loaded(let address) = value.kind {
      let name = image.functions.objectName(holding: address) ?? hex(address)
      if let external = image.external(at: address) {
        return ([:], "it goes to \(external), outside of the image")
      }
      if let target = image.initialNumber(at: address, size: 8), target != 0, image.isCode(target) {
        return (
          [target: .initialValue],
          "the target is read from \(name), which can be written; only its first value is known"
        )
      }
      detail = "the target is read from \(name), which can be written"
    }
    if let addressTaken {
      return (
        Self.targets(addressTaken, .addressTaken),
        detail + "; any of \(addressTaken.count) functions whose address is taken"
      )
    }
    return ([:], detail)
  }

  /// The places to which the table of a switch sends the code, if a value was read from one.
  ///
  /// Where no comparison bounds the index, as with the cases of a Swift enumeration, the table ends
  /// where its entries leave the function: compilers make no other ones. What follows a table and
  /// looks like a part of it is followed too.
  private func places(
    of value: AbstractValue, from address: UInt64, in node: FunctionNode
  ) -> [UInt64]? {
    guard case .set(let number) = value.kind else { return nil }
    let list = interpreter.sets[number]
    if !list.isOpen && list.constants.allSatisfy({ image.isCode($0) }) && list.constants.count < 128
    {
      return nil
    }
    guard let function = image.functions.function(holding: address), function.size > 0 else {
      return nil
    }
    // GCC puts what it takes for unlikely into a function of its own.
    let cold = function.symbol + ".cold"
    let places = list.constants.prefix { place in
      place >= function.address && place &- function.address < function.size
        || image.functions.function(holding: place)?.symbol.hasPrefix(cold) == true
    }
    return places.isEmpty ? nil : Array(places)
  }

  /// Targets by their addresses: what is found must not depend on a dictionary's order.
  private static func inOrder(
    _ targets: [UInt64: ResolutionStep]
  ) -> [(key: UInt64, value: ResolutionStep)] {
    targets.count < 2 ? Array(targets) : targets.sorted { $0.key < $1.key }
  }

  private static func targets(
    _ addresses: [UInt64], _ step: ResolutionStep
  ) -> [UInt64: ResolutionStep] {
    Dictionary(addresses.map { ($0, step) }) { first, _ in first }
  }

  private func hex(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }
}
