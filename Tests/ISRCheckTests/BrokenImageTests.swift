import Foundation
import TestSupport
import Testing

@testable import ISRCheck

/// Images that are damaged: each is checked all the same, or refused in one line. A crash ends the
/// test run. `make fuzz` does more of it, from outside.
@Suite struct BrokenImageTests {
  @Test(
    "a damaged image is checked or refused",
    arguments: TestKernel.variants.filter { $0.compiler == "clang" && !$0.hasTypeHashes })
  func damaged(variant: TestKernel.Variant) throws {
    let kernel = try TestKernel(variant)
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: kernel.image())))
    let directory = try ScratchDirectory()
    let path = directory.path("damaged.elf")
    var random = SplitMix64(seed: 20)
    var (checked, refused) = (0, 0)
    var options = CheckOptions()
    options.prove = true
    options.strict = true
    for _ in 0..<400 {
      var bytes = whole
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
      case 1: Self.damage(&bytes, 0..<512, using: &random)
      case 2: Self.damage(&bytes, bytes.count - 2048..<bytes.count, using: &random)
      default: Self.damage(&bytes, 0..<bytes.count, using: &random)
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do throws(CheckFailure) {
        let checker = try Checker(path: path, options: options)
        _ = try checker.report()
        _ = try checker.graph()
        checked += 1
      } catch {
        #expect(!error.description.isEmpty && !error.description.contains("\n"))
        refused += 1
      }
    }
    #expect(checked > 20 && refused > 20, "\(checked) checked, \(refused) refused")
  }

  /// Changes a few numbers in a range to others, often to extreme ones.
  private static func damage(
    _ bytes: inout [UInt8], _ range: Range<Int>, using random: inout SplitMix64
  ) {
    for _ in 0..<Int.random(in: 1..<8, using: &random) {
      let width = [1, 2, 4, 8].randomElement(using: &random) ?? 1
      let start = Int.random(in: range.lowerBound..<range.upperBound - 8, using: &random)
      let value =
        [0, 1, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max, random.next()]
        .randomElement(using: &random) ?? 0
      for index in 0..<width {
        bytes[start / width * width + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
      }
    }
  }

  @Test("what is no image is refused, and why", arguments: ["empty", "text", "object", "32"])
  func noImage(kind: String) throws {
    let directory = try ScratchDirectory()
    let path = directory.path(kind)
    let word: String
    switch kind {
    case "empty":
      try Data().write(to: URL(fileURLWithPath: path))
      word = "ELF"
    case "text":
      try Data("hello".utf8).write(to: URL(fileURLWithPath: path))
      word = "ELF"
    case "object":
      var bytes = ELFBuilder().bytes
      bytes[16] = 1
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      word = "not linked"
    default:
      var bytes = ELFBuilder().bytes
      bytes[4] = 1
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      word = "32-bit"
    }
    let failure = #expect(throws: CheckFailure.self) {
      _ = try Checker(path: path, options: CheckOptions())
    }
    #expect(failure?.description.contains(word) == true, "\(failure?.description ?? "")")
  }

  @Test func aRootThatIsNotThereIsRefused() throws {
    let kernel = try TestKernel(TestKernel.variants[0])
    var options = CheckOptions()
    options.roots = ["no_such_function"]
    let failure = #expect(throws: CheckFailure.self) {
      _ = try Checker(path: kernel.image(), options: options)
    }
    #expect(failure?.description.contains("no_such_function cannot be found") == true)
  }
}
