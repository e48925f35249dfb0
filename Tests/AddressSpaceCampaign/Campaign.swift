import Boot
import Machine
import PhysicalMemory
import Synchronization

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
  /// Without large pages it is known exactly which pages are in memory.
  private let usesLargePages: Bool
  private var reference = ReferenceSpace(from: LockstepMachine.lowest, to: LockstepMachine.limit)

  private init(_ machine: LockstepMachine, usesLargePages: Bool) {
    self.machine = machine
    self.usesLargePages = usesLargePages
  }

  /// The number of the operation that is going on, for reports of those that do not end well.
  static let currentStep = Synchronization.Atomic<Int>(0)

  /// Does what `bytes` say, 8 for an operation, in both schemes; returns what was wrong first. The first
  /// bit says whether large pages are used.
  public static func run(_ bytes: [UInt8]) -> Failure? {
    run(bytes, .shared) ?? run(bytes, .perCPU)
  }

  private static func run(_ bytes: [UInt8], _ scheme: PageTableScheme) -> Failure? {
    let machine = LockstepMachine(scheme)
    defer { machine.end() }
    var campaign = Campaign(machine, usesLargePages: (bytes.first ?? 0) & 0x80 != 0)
    var step = 0
    do {
      for cpu in 0..<LockstepMachine.cpuCount {
        machine.become(cpu)
        machine.setUsesSpace(true)
      }
      while (step + 1) * Operation.byteCount <= bytes.count {
        let operation = Operation(
          bytes[step * Operation.byteCount..<(step + 1) * Operation.byteCount])
        currentStep.store(step, ordering: .relaxed)
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

  private mutating func perform(_ operation: Operation) throws {
    let machine = machine
    machine.become(operation.cpu)
    let (start, byteCount) = (operation.start, operation.byteCount)
    let options = usesLargePages ? operation.options : operation.options.union(.smallPages)
    let pages = ReferenceSpace.Pages(
      permissions: operation.permissions, kind: operation.areaKind)
    switch operation.kind {
    case .map:
      guard isReasonable(operation) else { return }
      try change(operation, refusesOccupied: true, maps: true) { () throws(AddressSpaceError) in
        try machine.space.map(
          at: start, byteCount: byteCount, operation.permissions, as: operation.areaKind,
          options: options)
      } _: { _ in
        pages
      }
    case .replace:
      guard isReasonable(operation) else { return }
      try change(operation, clears: true, maps: true) { () throws(AddressSpaceError) in
        try machine.space.map(
          at: start, byteCount: byteCount, operation.permissions, as: operation.areaKind,
          replacing: true, options: options)
      } _: { _ in
        pages
      }
    case .mapAnywhere:
      guard isReasonable(operation) else { return }
      try mapAnywhere(operation, options)
    case .mapFile: try mapFile(operation, options)
    case .mapDevice: try mapDevice(operation)
    case .unmap:
      try change(operation, clears: true) { () throws(AddressSpaceError) in
        try machine.space.unmap(at: start, byteCount: byteCount)
      } _: { _ in
        nil
      }
    case .protect:
      try change(operation, setsPermissions: true) { () throws(AddressSpaceError) in
        try machine.space.protect(
          at: start, byteCount: byteCount, operation.permissions,
          allowsWriteAndExecute: options.contains(.allowsWriteAndExecute))
      } _: { pages in
        guard var pages else { return nil }
        pages.permissions = operation.permissions
        return pages
      }
    case .discard:
      try change(operation, clears: true) { () throws(AddressSpaceError) in
        try machine.space.discard(at: start, byteCount: byteCount)
      } _: {
        $0
      }
    case .populate:
      if byteCount <= 1 << 30 || refusal(operation) != nil { try populate(operation) }
    case .willNeed:
      if byteCount <= 4 << 20 || refusal(operation) != nil { try willNeed(operation) }
    case .largePages, .smallPages:
      try change(operation) { () throws(AddressSpaceError) in
        let isLarge = operation.kind == .largePages && !options.contains(.smallPages)
        try machine.space.advise(
          at: start, byteCount: byteCount, isLarge ? .largePages : .smallPages)
      } _: {
        $0
      }
    case .reclaim: machine.space.reclaim()
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

  /// Whether a request for pages is of a size that there may be memory for.
  private func isReasonable(_ operation: Operation) -> Bool {
    operation.byteCount <= 1 << 30 || !operation.options.contains(.populate)
  }

  private func isWritableAndExecutable(_ operation: Operation) -> Bool {
    operation.permissions == [.write, .execute]
      && !operation.options.contains(.allowsWriteAndExecute)
  }

  /// Whether an operation that needs pages for so many bytes may run out of memory: there are fewer frames
  /// than the pages and all tables on the way to them take.
  private func isMemoryShort(for byteCount: UInt64, free: Int) -> Bool {
    free < Int(byteCount / 4096) + 2 * Int(byteCount / (2 << 20)) + 16
  }

  private mutating func change(
    _ operation: Operation, refusesOccupied: Bool = false, clears: Bool = false,
    maps: Bool = false, setsPermissions: Bool = false,
    _ body: () throws(AddressSpaceError) -> Void,
    _ update: (ReferenceSpace.Pages?) -> ReferenceSpace.Pages?
  ) throws {
    let (start, byteCount) = (operation.start, operation.byteCount)
    var expected = refusal(operation)
    let end = start &+ byteCount
    if expected == nil, maps || setsPermissions, isWritableAndExecutable(operation) {
      expected = .writableAndExecutable
    }
    let obstacleEnd =
      refusesOccupied && expected == nil
      ? reference.firstMapped(from: start, to: end)?.end : nil
    let populates = maps && operation.options.contains(.populate)
    if expected == nil, obstacleEnd == nil, populates, operation.permissions.contains(.inaccessible)
    {
      expected = .inaccessible(address: start)
    }
    let free = machine.freeFrameCount
    var error: AddressSpaceError?
    do throws(AddressSpaceError) { try body() } catch let thrown { error = thrown }
    if case .occupied(let end) = error, let obstacleEnd {
      return try expect(
        end > start && end <= obstacleEnd, "what is in the way ends at \(obstacleEnd), not \(end)")
    }
    if error == .outOfMemory, isMemoryShort(for: populates ? byteCount : 0, free: free) { return }
    func text(_ error: AddressSpaceError?) -> String { error.map { "refused as \($0)" } ?? "done" }
    try expect(
      error == expected && obstacleEnd == nil,
      "it was \(text(error)), and had to be \(text(expected)), \(String(describing: obstacleEnd))")
    if error != nil { return }
    reference.update(from: start, to: end, update)
    if clears { reference.clear(from: start, to: end) }
    if populates { reference.touchAll(from: start, to: end) }
  }

  private mutating func mapAnywhere(_ operation: Operation, _ options: MapOptions) throws {
    let byteCount = operation.byteCount
    let alignment = operation.alignment
    let isBadAlignment = alignment < 4096 || alignment & (alignment - 1) != 0
    let free = machine.freeFrameCount
    let populates = options.contains(.populate)
    var mapped: UInt64?
    var error: AddressSpaceError?
    do throws(AddressSpaceError) {
      mapped = try machine.space.map(
        byteCount: byteCount, alignment: alignment,
        hint: operation.value & 2 == 0 ? operation.start : nil, operation.permissions,
        as: operation.areaKind, options: options)
    } catch let thrown {
      error = thrown
    }
    guard let start = mapped else {
      let isExpected =
        switch error {
        case .empty: byteCount == 0
        case .notPageAligned: byteCount % 4096 != 0
        case .badAlignment: isBadAlignment
        case .writableAndExecutable: isWritableAndExecutable(operation)
        case .noAddresses: !reference.hasFreeRange(byteCount, alignment: max(alignment, 2 << 20))
        case .outOfMemory: isMemoryShort(for: populates ? byteCount : 0, free: free)
        case .inaccessible: populates && operation.permissions.contains(.inaccessible)
        default: false
        }
      return try expect(isExpected, "it was refused as \(String(describing: error))")
    }
    let place = "it was mapped at 0x\(String(start, radix: 16))"
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    try expect(
      byteCount > 0 && byteCount % 4096 == 0 && !isBadAlignment
        && !isWritableAndExecutable(operation), "\(place), and had to be refused")
    try expect(
      !overflow && start >= LockstepMachine.lowest && end <= LockstepMachine.limit
        && start % alignment == 0, place)
    try expect(reference.isFree(from: start, to: end), "\(place), where something is")
    reference.update(from: start, to: end) { _ in
      ReferenceSpace.Pages(permissions: operation.permissions, kind: operation.areaKind)
    }
    if populates { reference.touchAll(from: start, to: end) }
  }

  private mutating func mapFile(_ operation: Operation, _ options: MapOptions) throws {
    let file = operation.file
    let free = machine.freeFrameCount
    var mapped: UInt64?
    var error: AddressSpaceError?
    do throws(AddressSpaceError) {
      mapped = try machine.space.map(
        file: file, operation.permissions, named: "file", options: options)
    } catch let thrown {
      error = thrown
    }
    let populates = options.contains(.populate)
    guard let start = mapped else {
      let isExpected =
        switch error {
        case .empty: file.isEmpty
        case .noAddresses: !reference.hasFreeRange((file.byteCount + 4095) & ~4095, alignment: 4096)
        case .writableAndExecutable: isWritableAndExecutable(operation)
        case .outOfMemory: isMemoryShort(for: populates ? file.byteCount : 0, free: free)
        case .inaccessible: populates && operation.permissions.contains(.inaccessible)
        default: false
        }
      return try expect(isExpected, "it was refused as \(String(describing: error))")
    }
    let end = start + (file.byteCount + 4095) & ~4095
    try expect(
      !file.isEmpty && reference.isFree(from: start, to: end),
      "the file is at 0x\(String(start, radix: 16))")
    reference.update(from: start, to: end) { _ in
      ReferenceSpace.Pages(
        permissions: operation.permissions,
        kind: AreaKind(
          .file(
            PhysicalContents(start: file.start.rawValue, byteCount: file.byteCount, at: start)),
          named: "file"))
    }
    try readAll(from: start, to: end, operation)
  }

  private mutating func mapDevice(_ operation: Operation) throws {
    let device = operation.device
    let free = machine.freeFrameCount
    var mapped: UInt64?
    var error: AddressSpaceError?
    do throws(AddressSpaceError) {
      mapped = try machine.space.map(device: device)
    } catch let thrown {
      error = thrown
    }
    guard let start = mapped else {
      let isExpected =
        switch error {
        case .notPageAligned: device.start.rawValue % 4096 != 0
        case .noAddresses: !reference.hasFreeRange(device.byteCount, alignment: 2 << 20)
        case .isMemory: device.start < LockstepMachine.contents.start
        case .outOfMemory: isMemoryShort(for: 0, free: free)
        default: false
        }
      return try expect(isExpected, "it was refused as \(String(describing: error))")
    }
    let end = start + device.byteCount
    try expect(
      reference.isFree(from: start, to: end) && device.start >= LockstepMachine.contents.start
        && device.start.isPageAligned, "the device is at 0x\(String(start, radix: 16))")
    reference.update(from: start, to: end) { _ in
      ReferenceSpace.Pages(
        permissions: [.write, .device],
        kind: AreaKind(
          .device(
            PhysicalContents(start: device.start.rawValue, byteCount: device.byteCount, at: start)))
      )
    }
    for page in stride(from: start, to: end, by: 4096) {
      try expect(
        machine.space.translate(page)?.address.rawValue == device.start.rawValue + (page - start),
        "a page of the device is not there, or another one")
    }
    try readAll(from: start, to: min(end, start + 8 * 4096), operation)
  }

  /// Reads some words of all pages, and writes one.
  private mutating func readAll(
    from start: UInt64, to end: UInt64, _ operation: Operation
  ) throws {
    guard machine.usesSpace[operation.cpu], operation.value & 1 == 0 else { return }
    for page in stride(from: start, to: end, by: 4096) {
      for offset in [0, 96, 1024, 4088] as [UInt64] {
        try access(.read, page + offset, 0, operation)
      }
    }
    try access(.write, end - 4096, operation.value, operation)
    try access(.read, end - 4096, 0, operation)
    try access(.read, end - 8, 0, operation)
  }

  /// All pages of a range are there afterwards, or none more than before.
  private mutating func populate(_ operation: Operation) throws {
    let (start, byteCount) = (operation.start, operation.byteCount)
    let free = machine.freeFrameCount
    var error: AddressSpaceError?
    do throws(AddressSpaceError) {
      try machine.space.populate(at: start, byteCount: byteCount)
    } catch let thrown {
      error = thrown
    }
    var expected = refusal(operation)
    if expected == nil,
      let problem = reference.firstNotAccessible(from: start, to: start + byteCount)
    {
      expected =
        problem.isMapped
        ? .inaccessible(address: problem.address)
        : .notMapped(address: problem.address)
    }
    if error == .outOfMemory, isMemoryShort(for: byteCount, free: free) { return }
    try expect(
      error == expected,
      "it was \(String(describing: error)), and had to be \(String(describing: expected))")
    if error == nil { reference.touchAll(from: start, to: start + byteCount) }
  }

  /// Nothing is different afterwards but what is in memory.
  private mutating func willNeed(_ operation: Operation) throws {
    let (start, byteCount) = (operation.start, operation.byteCount)
    var error: AddressSpaceError?
    do throws(AddressSpaceError) {
      try machine.space.advise(at: start, byteCount: byteCount, .willNeed)
    } catch let thrown {
      error = thrown
    }
    if let expected = refusal(operation) {
      return try expect(error == expected, "it was \(String(describing: error))")
    }
    var page = start
    while page < start + byteCount {
      if let translation = machine.space.translate(page) {
        reference.touchAll(from: page, to: page + 4096)
        _ = translation
      }
      page += 4096
    }
  }

  private mutating func access(_ kind: PageFault.Access, _ operation: Operation) throws {
    let address = operation.start & ~7
    guard address >= LockstepMachine.lowest, address < LockstepMachine.limit else { return }
    try access(kind, address, operation.value, operation)
  }

  private mutating func access(
    _ kind: PageFault.Access, _ address: UInt64, _ value: UInt64, _ operation: Operation
  ) throws {
    guard machine.usesSpace[operation.cpu] else { return }
    let allowed = reference.allows(kind, address)
    switch machine.access(kind, address, value: value) {
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
      let free = machine.freeFrameCount
      try expect(
        allowed && isMemoryShort(for: 4096, free: free), "out of memory with \(free) frames")
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
        expected != nil
          && (usesLargePages || expected?.pages.kind.backing.contents != nil
            || reference.touched.contains(address & ~4095)),
        "a page was never touched and is \(translation)")
    }
  }

  // MARK: Checks

  /// No CPU remembers what is not so any more.
  private func checkTranslations() throws {
    // Entries are made accessed and dirty, or CPUs that share a table would meet in it unseen.
    try expect(machine.mmu.markCount == 0, "an MMU has written to a page table")
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
      // Discarded pages of files may be in memory all the same.
      if area.kind.backing.contents != nil { continue }
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
    try expect(machine.lostFrameCount == 0, "\(machine.lostFrameCount) frames are lost")
    let misuse = machine.frames.pointee.misuseCount
    try expect(misuse == 0, "the frame allocator was misused \(misuse) times")
  }
}
