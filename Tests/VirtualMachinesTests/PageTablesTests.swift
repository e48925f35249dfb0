import ArgumentParser
import Testing

@testable import ApusCommand
@testable import VirtualMachines

/// `--page-tables`, from the command's line to the kernel's.
@Suite struct PageTablesTests {
  @Test(arguments: [
    ([], PageTables.shared), (["--page-tables", "shared"], .shared),
    (["--page-tables", "per-cpu"], .perCPU), (["--page-tables=per-cpu"], .perCPU),
  ])
  func theOptionIsParsed(arguments: [String], tables: PageTables) throws {
    let run = try RunCommand.parse(arguments + ["image"])
    #expect(run.machine.pageTables == tables)
    let bench = try BenchCommand.parse(arguments)
    #expect(bench.pageTables == (arguments.isEmpty ? nil : tables))
  }

  @Test(arguments: ["", "Shared", "perCPU", "per-cpu,shared", "private"])
  func whatIsNoSchemeIsRefused(word: String) {
    #expect(throws: (any Error).self) { try RunCommand.parse(["--page-tables", word, "image"]) }
    #expect(throws: (any Error).self) { try BenchCommand.parse(["--page-tables", word]) }
  }

  @Test func theKernelIsTold() {
    var configuration = VirtualMachineConfiguration(image: "image", programName: "name")
    #expect(!QEMUCommandLine(configuration).kernelCommandLine.contains("vm.scheme"))
    configuration.pageTables = .perCPU
    #expect(QEMUCommandLine(configuration).kernelCommandLine.contains(" vm.scheme=per-cpu"))
  }

  @Test func testsRunWithEachOfAList() throws {
    let matrix = try GuestTestMatrix(cpus: "1,2", machines: "pc", pageTables: "per-cpu,shared")
    #expect(
      matrix.configurations.map(\.description) == [
        "pc/1/per-cpu", "pc/2/per-cpu", "pc/1", "pc/2",
      ])
    for word in ["", "per-cpu,", "none"] {
      #expect(throws: GuestTestMatrixError.self) {
        try GuestTestMatrix(cpus: "1", machines: "pc", pageTables: word)
      }
    }
  }
}
