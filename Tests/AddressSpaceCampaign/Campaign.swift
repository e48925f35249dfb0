import Machine
import PhysicalMemory

@testable import VirtualMemory

/// Runs operations on an address space and on its reference, and compares.
public struct Campaign {
  /// Why a run failed.
  public struct Failure: Error, CustomStringConvertible {
    /// The number of the operation, from 0 on.
    public let step: Int
    /// What was wrong after it.
    public let message: String
    /// The operations up to it, as bytes.
    public let bytes: [UInt8]

    /// The message, the operations as people read them, and as a test takes them.
    public var description: String {
      let count = bytes.count / Operation.byteCount
      let operations = (0..<count).map { number in
        "  \(Operation(bytes[number * Operation.byteCount..<(number + 1) * Operation.byteCount]))"
      }
      return "operation \(step): \(message)\n" + operations.joined(separator: "\n") + "\n\(bytes)"
    }
  }

  private struct Mismatch: Error { let message: String }

  private let machine: LockstepMachine
  private var reference = ReferenceSpace(from: LockstepMachine.lowest, to: LockstepMachine.limit)

  /// Whether there may be more memory than was touched.
  private var usesLargePages = false

  private init(_ machine: LockstepMachine) { self.machine = machine }

  /// Does what `bytes` say, 8 for an operation, in both schemes; returns what was wrong first.
  public static func run(_ bytes: [UInt8]) -> Failure? {
    run(bytes, .shared) ?? run(bytes, .perCPU)
  }

  private static func run(_ bytes: [UInt8], _ scheme: PageTableScheme) -> Failure? {
    let machine = LockstepMachine(scheme)
    defer { machine.end() }
    var campaign = Campaign(machine)
    var step = 0
    do {
      for cpu in 0..<LockstepMachine.cpuCount {
        machine.become(cpu)
        machine.setUsesSpace(true)
      }
      while (step + 1) * Operation.byteCount <= bytes.count {
        let operation = Operation(
          bytes[step * Operation.byteCount..<(step + 1) * Operation.byteCount])
        try campaign.perform(operation)
        try campaign.checkTranslations()
        step += 1
      }
      try campaign.checkAreas()
      try campaign.checkNothingIsLost()
      return nil
    } catch {
      let message = "\(scheme): " + ((error as? Mismatch)?.message ?? "\(error)")
      return Failure(
        step: step, message: message,
        bytes: Array(bytes.prefix((step + 1) * Operation.byteCount)))
    }
  }

  /// Leaves out what a failure does not need.
  public static func shorten(_ failure: Failure) -> Failure {
    var best = failure
    var part = best.bytes.count / Operation.byteCount / 2
    while part >= 1 {
      var position = 0
      while position * Operation.byteCount < best.bytes.count {
        var bytes = best.bytes
        let end = min((position + part) * Operation.byteCount, bytes.count)
        bytes.removeSubrange(position * Operation.byteCount..<end)
        if let shorter = run(bytes) { best = shorter } else { position += part }
      }
      part /= 2
    }
    return best
  }

  private func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Mismatch(message: message()) }
  }

  // MARK: Operations

  /// Half of the large areas get large pages.
  private mutating func options(_ operation: Operation) -> MapOptions {
    if operation.byteCount < 4 << 20 || operation.start & 4096 != 0 { return .smallPages }
    usesLargePages = true
    return []
  }

  private mutating func perform(_ operation: Operation) throws {
    let machine = machine
    let options = options(operation)
    machine.become(operation.cpu)
    switch operation.kind {
    case .map:
      try change(operation, refusesOccupied: true) { () throws(AddressSpaceError) in
        try machine.space.map(
          at: operation.start, byteCount: operation.byteCount, operation.permissions,
          as: operation.areaKind, options: options)
      } _: { _ in
        ReferenceSpace.Pages(permissions: operation.permissions, kind: operation.areaKind)
      }
    case .replace:
      try change(operation, clears: true) { () throws(AddressSpaceError) in
        try machine.space.map(
          at: operation.start, byteCount: operation.byteCount, operation.permissions,
          as: operation.areaKind, replacing: true, options: options)
      } _: { _ in
        ReferenceSpace.Pages(permissions: operation.permissions, kind: operation.areaKind)
      }
    case .unmap:
      try change(operation, clears: true) { () throws(AddressSpaceError) in
        try machine.space.unmap(at: operation.start, byteCount: operation.byteCount)
      } _: { _ in
        nil
      }
    case .protect:
      try change(operation) { () throws(AddressSpaceError) in
        try machine.space.protect(
          at: operation.start, byteCount: operation.byteCount, operation.permissions)
      } _: { pages in
        guard var pages else { return nil }
        pages.permissions = operation.permissions
        return pages
      }
    case .discard:
      try change(operation, clears: true) { () throws(AddressSpaceError) in
        try machine.space.discard(at: operation.start, byteCount: operation.byteCount)
      } _: {
        $0
      }
    case .read: try access(.read, operation)
    case .write: try access(.write, operation)
    case .execute: try access(.execute, operation)
    case .query: try query(operation.start)
    case .list: try checkAreas()
    case .activate: machine.setUsesSpace(true)
    case .deactivate: machine.setUsesSpace(false)
    case .limitMemory: machine.limitFrames(to: Int(operation.value / 16))
    case .freeMemory: machine.limitFrames(to: nil)
    }
  }

  /// Why an operation on a range must be refused, whatever is there.
  private func refusal(_ operation: Operation) -> AddressSpaceError? {
    let (start, byteCount) = (operation.start, operation.byteCount)
    if byteCount == 0 { return .empty }
    if start % 4096 != 0 || byteCount % 4096 != 0 {
      return .notPageAligned(start: start, byteCount: byteCount)
    }
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    if overflow || start < LockstepMachine.lowest || end > LockstepMachine.limit {
      return .outOfBounds(
        start: start, byteCount: byteCount, lowest: LockstepMachine.lowest,
        limit: LockstepMachine.limit)
    }
    return nil
  }

  private mutating func change(
    _ operation: Operation, refusesOccupied: Bool = false, clears: Bool = false,
    _ body: () throws(AddressSpaceError) -> Void,
    _ update: (ReferenceSpace.Pages?) -> ReferenceSpace.Pages?
  ) throws {
    let (start, byteCount) = (operation.start, operation.byteCount)
    var expected = refusal(operation)
    let end = start &+ byteCount
    if expected == nil, refusesOccupied, !reference.isFree(from: start, to: end) {
      expected = .occupied(obstacleEnd: start)
    }
    var error: AddressSpaceError?
    do throws(AddressSpaceError) { try body() } catch let thrown { error = thrown }
    // Up to where depends on the entries that say it.
    if case .occupied(let obstacleEnd) = error, case .occupied(start) = expected {
      return try expect(obstacleEnd > start, "the obstacle ends before the range")
    }
    if error == .outOfMemory && machine.isMemoryShort { return }
    func text(_ error: AddressSpaceError?) -> String { error.map { "refused as \($0)" } ?? "done" }
    try expect(error == expected, "it was \(text(error)), and had to be \(text(expected))")
    if error != nil { return }
    reference.update(from: start, to: end, update)
    if clears { reference.clear(from: start, to: end) }
  }

  private mutating func access(_ kind: PageFault.Access, _ operation: Operation) throws {
    guard machine.usesSpace[operation.cpu] else { return }
    let address = operation.start & ~7
    guard address >= LockstepMachine.lowest, address < LockstepMachine.limit else { return }
    let allowed = reference.allows(kind, address)
    switch machine.access(kind, address, value: operation.value) {
    case .value(let value):
      try expect(allowed, "an access is done that is not allowed")
      switch kind {
      case .write: reference.write(value, to: address)
      case .read:
        // A word of the page that was never written is zero.
        let written = reference.read(address)
        try expect(
          value == written || value == 0 && address & 4095 != 0, "\(value) is read, not \(written)")
        reference.touch(address)
      case .execute: reference.touch(address)
      }
    case .refused(.outOfMemory):
      try expect(allowed && machine.isMemoryShort, "out of memory")
      // The page may be there, and memory be short for a table of the CPU's own.
      if machine.space.translate(address) != nil { reference.touch(address) }
    case .refused(let outcome):
      let isMapped = reference[address] != nil
      try expect(
        !allowed && outcome == (isMapped ? .forbidden : .unmapped),
        "an access is refused as \(outcome)")
    case .endless: try expect(false, "the same fault comes again and again")
    }
  }

  private func query(_ address: UInt64) throws {
    let area = machine.space.area(at: address)
    let expected = reference.areas.first { address >= $0.start && address < $0.end }
    try expect(
      area?.start == expected?.start && area?.end == expected?.end
        && area?.permissions == expected?.pages.permissions && area?.kind == expected?.pages.kind,
      "the area is \(String(describing: area)), not \(String(describing: expected))")
    if let translation = machine.space.translate(address) {
      try expect(
        expected != nil && (usesLargePages || reference.touched.contains(address & ~4095)),
        "a page was never touched and is \(translation)")
    }
  }

  // MARK: Checks

  /// No CPU remembers what is not so any more.
  private func checkTranslations() throws {
    for cpu in 0..<LockstepMachine.cpuCount {
      for page in machine.mmu.rememberedPages(of: cpu) {
        let place = "CPU \(cpu) remembers page 0x\(String(page.address, radix: 16))"
        let pages = reference[page.address]
        try expect(
          pages.map { !$0.permissions.contains(.inaccessible) } ?? false, "\(place), which is gone")
        try expect(
          !page.isWritable || reference.allows(.write, page.address), "\(place) as writable")
        try expect(
          !page.isExecutable || reference.allows(.execute, page.address), "\(place) as code")
        try expect(
          machine.space.translate(page.address)?.address.rawValue == page.physical,
          "\(place) at another place than it is")
      }
    }
  }

  /// The areas are those that they should be.
  private func checkAreas() throws {
    var areas: [AddressSpace.Area] = []
    machine.space.forEachArea { areas.append($0) }
    let expected = reference.areas
    for (area, expected) in zip(areas, expected) {
      try expect(
        area.start == expected.start && area.end == expected.end && area.kind == expected.pages.kind
          && area.permissions == expected.pages.permissions,
        "the list has \(area) in place of \(expected)")
      let resident = reference.touchedByteCount(from: area.start, to: area.end)
      try expect(
        area.residentByteCount == resident
          || usesLargePages && area.residentByteCount > resident,
        "of \(area) \(resident) bytes should be in memory")
    }
    try expect(
      areas.count == expected.count, "there are \(areas.count) areas, not \(expected.count)")
  }

  /// When all is unmapped, the memory is what it was at the start.
  private func checkNothingIsLost() throws {
    machine.limitFrames(to: nil)
    machine.unmapAll()
    let free = machine.frames.pointee.freeFrameCount
    try expect(free == machine.freeAtStart, "\(machine.freeAtStart - free) frames are lost")
    let misuse = machine.frames.pointee.misuseCount
    try expect(misuse == 0, "the frame allocator was misused \(misuse) times")
  }
}
