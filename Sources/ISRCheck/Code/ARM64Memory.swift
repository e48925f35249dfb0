/// Loads and stores of AArch64 (Arm ARM, C4.1.95).
extension ARM64Reading {
  /// Where a load or store of single registers goes to.
  private enum Direction {
    case store, load
    case loadSigned(resultBits: UInt8)
    case prefetch
  }

  func readMemory(into result: inout Instruction) -> Bool {
    let isVector = bit(26)
    switch field(27, 3) {
    case 0b011 where bit(24): return readOther(into: &result)
    case 0b011: return readLiteral(into: &result)
    case 0b101: return readPair(into: &result)
    case 0b111: return readSingle(into: &result)
    case 0b001:
      if isVector { return readStructure(into: &result) }
      return bit(24) ? readUnknown(into: &result) : readExclusive(into: &result)
    default: return false
    }
  }

  // MARK: Single registers

  private func readSingle(into result: inout Instruction) -> Bool {
    if !bit(24) && bit(21) && field(10, 2) != 0b10 {
      return field(10, 2) == 0b00
        ? readAtomic(into: &result) : readAuthenticated(into: &result)
    }
    guard let (size, direction) = sizeAndDirection else { return false }
    let mode = field(10, 2)
    if bit(24) {
      let memory = Memory(
        base: pointer(n), displacement: Int64(field(10, 12)) * Int64(size), size: size)
      transfer(memory, direction, into: &result)
    } else if bit(21) {
      guard let memory = indexed(size) else { return false }
      transfer(memory, direction, into: &result)
    } else if mode & 1 == 0 {
      // Unscaled offsets; also accesses with the rights of EL0.
      let memory = Memory(base: pointer(n), displacement: signed(12, 9), size: size)
      transfer(memory, direction, into: &result)
    } else {
      if case .prefetch = direction { return false }
      transfer(Memory(base: pointer(n), size: size), direction, into: &result)
      move(by: signed(12, 9), isBefore: mode == 0b11, into: &result)
    }
    return true
  }

  /// The bytes of a single access and where they go, from `size`, `V` and `opc`.
  private var sizeAndDirection: (UInt8, Direction)? {
    let (size, code) = (field(30, 2), field(22, 2))
    if bit(26) {
      guard code < 0b10 || size == 0 else { return nil }
      return (code < 0b10 ? 1 << UInt8(size) : 16, code & 1 == 0 ? .store : .load)
    }
    let bytes: UInt8 = 1 << UInt8(size)
    switch code {
    case 0b00: return (bytes, .store)
    case 0b01: return (bytes, .load)
    case 0b10: return (bytes, size == 0b11 ? .prefetch : .loadSigned(resultBits: 64))
    default: return size < 0b10 ? (bytes, .loadSigned(resultBits: 32)) : nil
    }
  }

  /// An access with an index register; nothing is known of the address if its sign is extended.
  private func indexed(_ size: UInt8) -> Memory? {
    let option = field(13, 3)
    guard option & 0b010 != 0 else { return nil }
    guard option < 0b100 else { return Memory(size: size, isSegmented: true) }
    var memory = Memory(base: pointer(n), size: size)
    if m != 31 {
      memory.index = Register(UInt8(m))
      memory.scale = bit(12) ? size : 1
      memory.indexBits = option == 0b010 ? 32 : 64
    }
    return memory
  }

  /// One register, general or vector, is loaded or stored.
  private func transfer(_ memory: Memory, _ direction: Direction, into result: inout Instruction) {
    let isVector = bit(26)
    switch direction {
    case .prefetch: break
    case .store:
      result.writesMemory = true
      result.operation = isVector ? .overwrite(memory) : .store(memory, operand(d))
      if isVector { result.extendedReads = .simd }
    case .load where isVector: result.extendedWrites = .simd
    case .load: setLoad(memory, signExtends: false, resultBits: memory.size == 8 ? 64 : 32, &result)
    case .loadSigned(let bits): setLoad(memory, signExtends: true, resultBits: bits, &result)
    }
  }

  private func setLoad(
    _ memory: Memory, signExtends: Bool, resultBits: UInt8, _ result: inout Instruction
  ) {
    guard d != 31 else { return }
    result.overwrites = written(d)
    result.operation = .copy(
      to: Register(UInt8(d)), from: .memory(memory), bits: memory.size &* 8,
      signExtends: signExtends, resultBits: resultBits)
  }

  /// The base register moves. If it is also loaded, anything may happen.
  private func move(by offset: Int64, isBefore: Bool, into result: inout Instruction) {
    let base = pointer(n)
    if result.overwrites.contains(RegisterSet(base)) {
      result.operation = .none
      return
    }
    result.overwrites.formUnion(RegisterSet(base))
    result.writeBack = .init(base: base, offset: offset, isBefore: isBefore)
  }

  private func readLiteral(into result: inout Instruction) -> Bool {
    let place = Int64(bitPattern: address) &+ signed(5, 19) &* 4
    let kind = field(30, 2)
    if bit(26) {
      result.extendedWrites = .simd
      return kind != 0b11
    }
    switch kind {
    case 0b00:
      setLoad(Memory(displacement: place, size: 4), signExtends: false, resultBits: 32, &result)
    case 0b01:
      setLoad(Memory(displacement: place, size: 8), signExtends: false, resultBits: 64, &result)
    case 0b10:
      setLoad(Memory(displacement: place, size: 4), signExtends: true, resultBits: 64, &result)
    default: break  // A prefetch.
    }
    return true
  }

  /// `ldraa`, `ldrab`.
  private func readAuthenticated(into result: inout Instruction) -> Bool {
    guard field(30, 2) == 0b11, !bit(26) else { return false }
    let offset = (bit(22) ? Int64(-512) : 0) + Int64(field(12, 9))
    // The base is authenticated first: nothing is known of the address.
    setLoad(Memory(size: 8, isSegmented: true), signExtends: false, resultBits: 64, &result)
    if bit(11) {
      move(by: offset * 8, isBefore: true, into: &result)
      result.writeBack = nil
    }
    return true
  }

  // MARK: Pairs

  private func readPair(into result: inout Instruction) -> Bool {
    let (kind, isLoad, mode) = (field(30, 2), bit(22), field(23, 2))
    let second = field(10, 5)
    let size: UInt8
    if bit(26) {
      size = kind == 0b11 ? 16 : 4 << UInt8(kind)
      // Quadwords of FEAT_LSUI have the pattern of the pairs that do not exist otherwise.
    } else {
      // `stgp` scales by 16 what else `ldpsw` is.
      size = kind == 0b01 ? (isLoad ? 4 : 8) : kind == 0b00 ? 4 : 8
    }
    let scale = !bit(26) && kind == 0b01 && !isLoad ? 16 : Int64(size)
    let offset = signed(15, 7) * scale
    let isMoving = mode & 1 != 0
    let memory = Memory(base: pointer(n), displacement: isMoving ? 0 : offset, size: size)
    if bit(26) {
      readVectorPair(memory, isLoad: isLoad, into: &result)
    } else if !isLoad {
      result.writesMemory = true
      result.operation = .storePair(memory, operand(d), operand(second))
    } else {
      result.overwrites = written(d).union(written(second))
      if kind != 0b01 {
        result.operation = .loadPair(
          d == 31 ? nil : Register(UInt8(d)), second == 31 ? nil : Register(UInt8(second)), memory)
      }
    }
    if isMoving { move(by: offset, isBefore: mode == 0b11, into: &result) }
    return true
  }

  private func readVectorPair(_ memory: Memory, isLoad: Bool, into result: inout Instruction) {
    if isLoad {
      result.extendedWrites = .simd
      return
    }
    var both = memory
    both.size = memory.size * 2
    result.extendedReads = .simd
    result.writesMemory = true
    result.operation = .overwrite(both)
  }

  /// `ld1` to `ld4`, `st1` to `st4` of whole registers or elements.
  private func readStructure(into result: inout Instruction) -> Bool {
    guard !bit(31) else { return false }
    var size = elementBytes
    if !bit(24) {
      let registers: Int
      switch field(12, 4) {
      case 0b0000, 0b0010: registers = 4
      case 0b0100, 0b0110: registers = 3
      case 0b1000, 0b1010: registers = 2
      case 0b0111: registers = 1
      default: return false
      }
      size = registers * (bit(30) ? 16 : 8)
    }
    if bit(22) {
      result.extendedWrites = .simd
    } else {
      result.extendedReads = .simd
      result.writesMemory = true
      result.operation = .overwrite(Memory(base: pointer(n), size: UInt8(size)))
    }
    guard bit(23) else { return true }
    if m == 31 {
      move(by: Int64(size), isBefore: false, into: &result)
    } else {
      // By another register: unknown.
      result.overwrites.formUnion(RegisterSet(pointer(n)))
    }
    return true
  }

  /// The bytes of all elements of a structure of which one element is loaded or stored.
  private var elementBytes: Int {
    let elements = Int(field(13, 1) << 1 | field(21, 1)) + 1
    switch field(14, 2) {
    case 0b00: return elements
    case 0b01: return elements * 2
    case 0b10: return elements * (bit(10) ? 8 : 4)
    // Loads of one element to all lanes.
    default: return elements << Int(field(10, 2))
    }
  }

  // MARK: Exclusive, ordered and atomic ones

  private func readExclusive(into result: inout Instruction) -> Bool {
    let size: UInt8 = 1 << UInt8(field(30, 2))
    let (isOrdered, isLoad, isPair) = (bit(23), bit(22), bit(21))
    let memory = Memory(base: pointer(n), size: size)
    switch (isOrdered, isPair) {
    case (true, false): transfer(memory, isLoad ? .load : .store, into: &result)
    case (true, true):
      // `cas`
      setAtomic(memory, changing: written(m), into: &result)
    case (false, false) where isLoad: transfer(memory, .load, into: &result)
    case (false, false): setAtomic(memory, changing: written(m), into: &result)
    case (false, true) where !bit(31):
      // `casp`: pairs of registers of 4 or 8 bytes.
      setAtomic(
        Memory(base: pointer(n), size: bit(30) ? 16 : 8),
        changing: written(m).union(written(m | 1)), into: &result)
    case (false, true) where isLoad:
      result.overwrites = written(d).union(written(field(10, 5)))
    case (false, true):
      setAtomic(Memory(base: pointer(n), size: size * 2), changing: written(m), into: &result)
    }
    return true
  }

  /// Memory becomes what is not known, and so do registers.
  private func setAtomic(
    _ memory: Memory, changing registers: RegisterSet, into result: inout Instruction
  ) {
    result.operation = .overwrite(memory)
    result.overwrites = registers
    result.writesMemory = true
  }

  private func readAtomic(into result: inout Instruction) -> Bool {
    let size: UInt8 = 1 << UInt8(field(30, 2))
    let memory = Memory(base: pointer(n), size: size)
    if bit(26) {
      // Atomic operations on floating-point numbers (FEAT_LSFE); `st*` drop the old value.
      setAtomic(memory, changing: [], into: &result)
      if bit(15) { result.extendedReads = .simd } else { result.extendedWrites = .simd }
      return true
    }
    switch (bit(15), field(12, 3)) {
    case (true, 0b100): transfer(memory, .load, into: &result)  // `ldapr`
    // `ld64b` and `st64b` of eight registers, with a status in some.
    case (true, 0b101) where size == 8:
      result.overwrites = RegisterSet(
        rawValue: UInt32(truncatingIfNeeded: UInt64(0xff) << UInt64(d))
      )
      .subtracting([31])
    case (true, 0b001...0b011) where size == 8:
      setAtomic(
        Memory(base: pointer(n), size: 64), changing: written(m).union(written(d)), into: &result)
    case (true, 0b001...0b011):
      setAtomic(
        Memory(base: pointer(n), size: 8), changing: written(m).union(written(d)), into: &result)
    default: setAtomic(memory, changing: written(d), into: &result)
    }
    return true
  }

  // MARK: Others

  /// Ordered accesses with offsets, tags, and copies of memory.
  private func readOther(into result: inout Instruction) -> Bool {
    let mode = field(10, 2)
    if !bit(21) {
      // `cpy*` and `set*` move along all their registers; bit 26 is not about vectors here.
      if mode == 0b01 {
        result.overwrites = written(d).union(written(n)).union(written(m))
        result.writesMemory = true
        result.operation = .overwrite(Memory(base: pointer(d), size: 0))
        return d != 31
      }
      if mode == 0b00 || bit(26) {
        guard let (size, direction) = sizeAndDirection else { return false }
        if case .prefetch = direction { return false }
        transfer(
          Memory(base: pointer(n), displacement: signed(12, 9), size: size), direction,
          into: &result)
        return true
      }
    } else if field(22, 10) & 0b11_1111_1100 == 0b11_0110_0100, !bit(26), mode != 0 {
      readTagStore(mode, into: &result)
      return true
    }
    return readUnknown(into: &result)
  }

  /// `stg`, `stzg` and those for two granules of 16 bytes; zeroes are written too.
  private func readTagStore(_ mode: UInt32, into result: inout Instruction) {
    let offset = signed(12, 9) * 16
    let memory = Memory(
      base: pointer(n), displacement: mode == 0b10 ? offset : 0, size: bit(23) ? 32 : 16)
    result.writesMemory = true
    if bit(22) { result.operation = .overwrite(memory) }
    if mode != 0b10 { move(by: offset, isBefore: mode == 0b11, into: &result) }
  }

  /// An access of which nothing is looked at: it may change each register that it may name, and any
  /// memory.
  private func readUnknown(into result: inout Instruction) -> Bool {
    result.overwrites = written(d).union(written(m)).union(written(field(10, 5)))
      .union(written(m | 1)).union(RegisterSet(pointer(n)))
    result.writesMemory = true
    result.operation = .overwrite(Memory(size: 0, isSegmented: true))
    if bit(26) { result.extendedWrites = .simd }
    return true
  }
}
