import ELF
import TestSupport
import Testing

/// What real linkers write.
@Suite(.enabled(if: LinkedImage.toolchain != nil)) struct LinkedImageTests {
  @Test(arguments: ["x86_64-none-elf", "aarch64-none-elf"])
  func everythingIsRead(_ target: String) throws {
    let (bytes, names) = try LinkedImage.make(target: target)
    let file = try ELFFile(bytes: bytes, path: "image")
    let isX86 = target.hasPrefix("x86_64")
    #expect(file.architecture == (isX86 ? .x86_64 : .aarch64))
    #expect(file.kind == .shared)
    #expect(file.buildID?.count == 20)

    let symbols = try file.symbols()
    let named = symbols.filter {
      $0.isDefined && $0.kind != .section && $0.kind != .file && !$0.name.isEmpty
        && !$0.name.hasPrefix("$")
    }
    #expect(named.count >= 6)
    #expect(
      Dictionary(named.map { ($0.name, $0.address) }, uniquingKeysWith: { first, _ in first })
        == names.filter { !$0.key.hasPrefix("$") }, "as llvm-nm reads them")
    let start = try #require(symbols.first { $0.name == "_start" })
    #expect(start.kind == .function && start.address == file.entry && start.size > 0)
    #expect(file.sections[Int(start.sectionIndex)].name == ".text")

    let relocations = try file.relocations()
    let packed = relocations.filter(\.isDynamic)
    // Three places in the table, the handler, and what the compiler reaches through addresses.
    #expect(packed.count >= 4)
    #expect(packed.filter { $0.addend == Int64(names["counter"] ?? 0) }.count == 3)
    #expect(packed.filter { $0.addend == Int64(names["inner"] ?? 0) }.count == 1)
    let kept = relocations.filter { !$0.isDynamic }
    let text = try #require(file.sections.firstIndex { $0.name == ".text" })
    #expect(kept.contains { $0.targetSection == text })
    #expect(
      kept.contains { $0.targetSection.map { file.sections[$0].name } == ".debug_info" })
    #expect(try file.relocations { $0?.isAllocated != false }.count < relocations.count)
  }

  @Test func mutationsNeverCrash() throws {
    var fuzzer = Fuzzer(original: try LinkedImage.make().bytes, seed: 11)
    fuzzer.run(count: 4_000)
    #expect(fuzzer.accepted > 500)
    #expect(fuzzer.refused > 500)
  }
}
