import Foundation
import Testing

@testable import ISRCheck

/// Source lines of an image that the toolchain's compiler makes.
@Suite struct SourceLinesTests {
  /// An image with two functions, in a directory with blanks in its name.
  static func image(in directory: ScratchDirectory) throws -> (path: String, start: UInt64) {
    let source = """
      int global;
      static inline __attribute__((always_inline)) int inner(int x) {
        return x * global;
      }
      int outer(int x) {
        global = x;
        return inner(x) + 1;
      }
      """
    try Data(source.utf8).write(to: directory.url.appendingPathComponent("a b.c"))
    try Toolchain.run(
      "clang",
      [
        "--target=x86_64-none-elf", "-g", "-O1", "-ffreestanding", "-nostdlib", "-static",
        "-fuse-ld=lld", "-Wl,-e,outer", "a b.c", "-o", "a b.elf",
      ], in: directory.url)
    let symbols = try Toolchain.run("llvm-nm", ["a b.elf"], in: directory.url)
    let line = try #require(symbols.split(separator: "\n").first { $0.hasSuffix(" T outer") })
    let address = try #require(UInt64(line.prefix(16), radix: 16))
    return (directory.path("a b.elf"), address)
  }

  @Test func linesOfAnImage() throws {
    let directory = try ScratchDirectory()
    let (image, start) = try Self.image(in: directory)
    let lines = try SourceLines(image: image, root: SourceRoot(directory.url.path))
      .lines(of: (0..<12).map { start + $0 } + [start, 0xdead_0000_0000, 0, .max])
    let first = try #require(lines[start])
    #expect(first.file == "a b.c" && (5...6).contains(first.line))
    // The multiplication is inlined: its own line counts, not that of the call.
    #expect(lines.values.contains { $0.line == 3 && $0.column != nil })
    #expect(lines[0xdead_0000_0000] == nil && lines[0] == nil && lines[.max] == nil)
  }

  @Test func aReportIsFilledIn() throws {
    let directory = try ScratchDirectory()
    let (image, start) = try Self.image(in: directory)
    var report = SampleReport.report
    report.findings = [SampleReport.denied]
    report.findings[0].place.address = 0x1
    report.findings[0].chain[0].place.address = start
    try SourceLines(image: image, root: SourceRoot(directory.url.path))
      .addSourceLines(to: &report)
    #expect(report.findings[0].place.source == nil)
    #expect(report.findings[0].chain[0].place.source?.file == "a b.c")
  }

  @Test func manyAddresses() throws {
    let directory = try ScratchDirectory()
    let (image, start) = try Self.image(in: directory)
    // More than a pipe holds, in both directions.
    let lines = try SourceLines(image: image, root: SourceRoot("/"))
      .lines(of: (0..<5000).map { start &+ $0 })
    #expect(lines[start]?.file.hasSuffix("a b.c") == true)
  }

  @Test func withoutASymbolizer() {
    let lines = SourceLines(
      image: "x", root: SourceRoot("."), environment: ["PATH": "/nonexistent"])
    #expect(throws: SourceLines.Failure.noSymbolizer) { try lines.lines(of: [1]) }
  }

  @Test(arguments: [
    "exit 0", "exit 1", "kill -9 $$", "echo '{}'; exit 1", "exec sleep 1000",
    "exec >&-; exec sleep 1000", "cat; exec sleep 1000", "sleep 2 & exit 1",
  ])
  func aSymbolizerThatFails(_ script: String) throws {
    let directory = try ScratchDirectory()
    let path = directory.path("llvm-symbolizer")
    try Data("#!/bin/sh\nPATH=/usr/bin:/bin\n\(script)\n".utf8).write(
      to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    var lines = SourceLines(
      image: "x", root: SourceRoot("."),
      environment: ["PATH": directory.url.path])
    lines.timeLimit = 0.5
    let start = ContinuousClock.now
    #expect(throws: SourceLines.Failure.symbolizerFailed(path: path)) { try lines.lines(of: [1]) }
    #expect(ContinuousClock.now - start < .seconds(30))
  }

  @Test func nonsenseIsNoLine() throws {
    let directory = try ScratchDirectory()
    let path = directory.path("llvm-symbolizer")
    let script = """
      #!/bin/sh
      echo nonsense
      echo '{"Address":"0x1","Symbol":[{"FileName":"a.c","Line":0,"Column":1},'\\
      '{"FileName":"/src/x/../b.c","Line":2,"Column":0}]}'
      echo '{"Address":"0x2","Error":{"Message":"bad"}}'
      echo '{"Address":""}'
      echo '{"Address":"0x3","Symbol":[{"FileName":"","Line":5,"Column":1}]}'
      """
    try Data(script.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    let lines = SourceLines(
      image: "x", root: SourceRoot("/src"), environment: ["PATH": directory.url.path])
    #expect(try lines.lines(of: [1, 2, 3]) == [1: SourceLine(file: "b.c", line: 2)])
  }

  @Test(arguments: [
    ("/a/b", "/a/b/c.c", "c.c"), ("/a/b/", "/a/b/./d/../c.c", "c.c"),
    ("/a/b", "/a/bc/d.c", "/a/bc/d.c"),
    ("/a/b", "/a/b", "/a/b"), ("/", "/x.c", "x.c"), ("/a", "rel/x.c", "rel/x.c"),
    ("/a/b", "/a/b/../c.c", "/a/c.c"), ("/a", "/../../a/b.c", "b.c"),
  ])
  func roots(_ root: String, _ path: String, _ expected: String) {
    #expect(SourceRoot(root).shortened(path) == expected)
  }
}
