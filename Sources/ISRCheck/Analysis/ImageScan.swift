/// All functions of an image, read once from their start to their end without following any flow:
/// who calls whom directly, and whose address is taken.
///
/// This finds places of interest outside of interrupts. What is reached in an interrupt is found
/// by `Exploration` alone.
struct ImageScan {
  /// Functions by the functions that they call or jump to.
  private(set) var callers: [UInt64: Set<UInt64>] = [:]
  /// Functions whose address stands in data or is loaded by an instruction.
  private(set) var addressTaken: Set<UInt64> = []

  init(_ image: CodeImage) {
    let functions = image.functions.functions
    for (index, function) in functions.enumerated() {
      let next = index + 1 < functions.count ? functions[index + 1].address : UInt64.max
      let end = function.size > 0 ? function.address &+ function.size : next
      var address = function.address
      while address < end {
        guard let instruction = image.instruction(at: address) else {
          // A symbol may claim more than there is.
          if function.size == 0 || !image.isCode(address) { break }
          address &+= image.file.architecture == .aarch64 ? 4 : 1
          continue
        }
        switch instruction.flow {
        case .call(let target), .jump(let target), .branch(let target, _):
          if image.functions.isStart(target) && target != function.address {
            callers[target, default: []].insert(function.address)
          }
        default: noteAddress(in: instruction, image)
        }
        address = instruction.end
      }
    }
    image.forEachDataWord { word in
      if image.functions.isStart(word) { addressTaken.insert(word) }
    }
  }

  private mutating func noteAddress(in instruction: Instruction, _ image: CodeImage) {
    let value: UInt64
    switch instruction.operation {
    case .copy(_, .immediate(let number), _, _, _), .push(.immediate(let number)),
      .store(_, .immediate(let number)):
      value = number
    case .address(_, let memory, _) where memory.base == nil && memory.index == nil:
      value = UInt64(bitPattern: memory.displacement)
    default: return
    }
    if image.functions.isStart(value) { addressTaken.insert(value) }
  }
}
