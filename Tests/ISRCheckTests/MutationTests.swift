import ELF
import Foundation
import TestSupport
import Testing

@testable import ISRCheck

/// Faults that are planted into the test kernel's code: what interrupts reach is found all, what
/// they do not reach is never reported.
@Suite struct MutationTests {
  private static let variants = TestKernel.variants.filter {
    $0.architecture == "x86_64" && !$0.hasTypeHashes
  }
  /// All variants together plant at least 500 and 100.
  private static var reachedCount: Int { (500 + variants.count - 1) / max(variants.count, 1) }
  private static var unreachedCount: Int { (100 + variants.count - 1) / max(variants.count, 1) }

  /// Between these two the extended registers are saved: what is written there is no fault.
  private static let saved = ["receive_checked", "vector_checksum"]

  /// A place for a fault: whole instructions, of which only the first can be jumped to.
  struct Gap {
    var address: UInt64
    var function: String
    /// The lengths of the instructions added up, shortest first.
    var sizes: [Int]

    /// The fewest whole instructions that have room for so many bytes.
    func size(for count: Int) -> Int? { sizes.first { $0 >= count } }
  }

  /// The code of an image, and where faults can be planted.
  private struct Subject {
    let bytes: [UInt8]
    let file: ELFFile
    let image: CodeImage
    let coverage: Set<UInt64>

    init(path: String) throws {
      file = try ELFFile(path: path)
      bytes = file.withBytes { Array($0) }
      image = try CodeImage(file)
      coverage = try Checker(path: path, options: CheckOptions()).coverage.addresses
    }

    /// The gaps in all functions; those that interrupts reach, or the others.
    func gaps(reached: Bool) -> [Gap] {
      image.functions.functions.flatMap { function -> [Gap] in
        guard !saved.contains(function.symbol) else { return [] }
        let instructions = instructions(of: function)
        let targets = jumpTargets(of: instructions)
        return instructions.indices.compactMap { index in
          let first = instructions[index]
          guard coverage.contains(first.address) == reached else { return nil }
          var sizes: [Int] = []
          for instruction in instructions[index...] {
            if instruction.address != first.address {
              guard !targets.contains(instruction.address),
                coverage.contains(instruction.address) == reached
              else { break }
            }
            sizes.append(Int(instruction.end - first.address))
            guard instruction.flow == .next, sizes.count < 4 else { break }
          }
          return Gap(address: first.address, function: function.symbol, sizes: sizes)
        }
      }
    }

    private func instructions(of function: FunctionTable.Function) -> [Instruction] {
      var result: [Instruction] = []
      var address = function.address
      while address < function.address + function.size,
        let instruction = image.instruction(at: address)
      {
        result.append(instruction)
        address = instruction.end
      }
      return result
    }

    /// Where control comes to other than from the instruction before. Tables of switches are not
    /// read: what follows a jump is taken for a target as well.
    private func jumpTargets(of instructions: [Instruction]) -> Set<UInt64> {
      var targets: Set<UInt64> = []
      for instruction in instructions {
        switch instruction.flow {
        case .next, .call, .indirectCall: break
        case .branch(let target, _): targets.insert(target)
        case .jump(let target): targets.formUnion([target, instruction.end])
        default: targets.insert(instruction.end)
        }
      }
      return targets
    }

    /// The file with other instructions at a place; `nop` fills what they leave.
    func mutant(at address: UInt64, _ encoding: [UInt8], size: Int) throws -> Data {
      let start = Int(try #require(file.offset(ofAddress: address, size: UInt64(size))))
      var mutant = bytes
      let nop: UInt8 = 0x90
      for index in 0..<size {
        mutant[start + index] = index < encoding.count ? encoding[index] : nop
      }
      return Data(mutant)
    }
  }

  /// A fault: one of the encodings, in turn, and one of the gaps with room for it, by chance.
  private func faults(
    _ count: Int, in gaps: [Gap], seed: UInt64
  ) throws -> [(gap: Gap, encoding: [UInt8], size: Int)] {
    var generator = SplitMix64(seed: seed)
    let kinds = ExtendedWrite.allCases
    return try (0..<count).map { number in
      let encodings = kinds[number % kinds.count].encodings
      let encoding = encodings[number / kinds.count % encodings.count]
      let fitting = gaps.filter { $0.size(for: encoding.count) != nil }
      let gap = try #require(fitting.randomElement(using: &generator))
      return (gap, encoding, try #require(gap.size(for: encoding.count)))
    }
  }

  /// Where a mutant writes extended registers, by the checker.
  private func writes(in mutant: Data, _ directory: ScratchDirectory) throws -> Set<UInt64> {
    let path = directory.path("mutant.elf")
    try mutant.write(to: URL(fileURLWithPath: path))
    var options = CheckOptions()
    // Takes time, and is about something else.
    options.severities[.lockInversion] = .ignored
    let report = try Checker(path: path, options: options).report()
    return Set(report.findings.filter { $0.rule == .extendedWrite }.map(\.place.address))
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
  }

  @Test("each fault that interrupts reach is found", arguments: variants)
  func reached(variant: TestKernel.Variant) throws {
    let kernel = try TestKernel(variant)
    defer { withExtendedLifetime(kernel) {} }
    let subject = try Subject(path: kernel.image())
    let gaps = subject.gaps(reached: true)
    #expect(Set(gaps.map(\.function)).count > 25)
    let directory = try ScratchDirectory()
    var missed: [String] = []
    for (gap, encoding, size) in try faults(Self.reachedCount, in: gaps, seed: 1) {
      let mutant = try subject.mutant(at: gap.address, encoding, size: size)
      if try writes(in: mutant, directory) != [gap.address] {
        missed.append(
          "\(hexadecimal(encoding)) at 0x\(String(gap.address, radix: 16)) in \(gap.function)")
      }
    }
    #expect(missed == [])
  }

  @Test("no fault outside of interrupts is reported", arguments: variants)
  func unreached(variant: TestKernel.Variant) throws {
    let kernel = try TestKernel(variant)
    defer { withExtendedLifetime(kernel) {} }
    let subject = try Subject(path: kernel.image())
    let gaps = subject.gaps(reached: false)
    #expect(Set(gaps.map(\.function)).count > 4)
    let directory = try ScratchDirectory()
    var reported: [String] = []
    for (gap, encoding, size) in try faults(Self.unreachedCount, in: gaps, seed: 2) {
      let mutant = try subject.mutant(at: gap.address, encoding, size: size)
      if try !writes(in: mutant, directory).isEmpty {
        reported.append(
          "\(hexadecimal(encoding)) at 0x\(String(gap.address, radix: 16)) in \(gap.function)")
      }
    }
    #expect(reported == [])
  }

  @Test("the faults are what they are meant to be") func encodings() {
    let decoder = X86Decoder()
    for kind in ExtendedWrite.allCases {
      for encoding in kind.encodings {
        let instruction = encoding.withUnsafeBytes { decoder.decode($0, at: 0) }
        #expect(instruction.map { Int($0.length) } == encoding.count, "\(hexadecimal(encoding))")
        #expect(instruction?.flow == .next, "\(hexadecimal(encoding))")
      }
    }
  }
}
