import Foundation
import Testing

@testable import VirtualMachines

@Suite struct NewPackageTests {
  static func package(_ name: String, _ kernel: NewPackage.Kernel) throws -> NewPackage {
    try NewPackage(name: name, kernel: kernel, modules: ["Apus", "Kernel", "Heap"])
  }

  @Test func filesForAClone() throws {
    let package = try Self.package("hello", .path("/src/my \"apus\""))
    let files = Dictionary(uniqueKeysWithValues: package.files)
    #expect(
      files.keys.sorted()
        == [".gitignore", "Package.swift", "README.md", "Sources/hello/hello.swift"])
    let manifest = try #require(files["Package.swift"])
    #expect(manifest.contains(#".package(name: "apus", path: "/src/my \"apus\"")"#))
    #expect(manifest.contains(#".product(name: "Apus", package: "apus")"#))
    let source = try #require(files["Sources/hello/hello.swift"])
    #expect(source.contains("@main\nstruct"))
    #expect(source.contains(#"CPUSet.online.run { cpu in print("Hello from CPU \(cpu.index)") }"#))
  }

  @Test(arguments: [
    ("https://example.org/x/unikernel.git", "unikernel"), ("ssh://host/apus", "apus"),
    ("git@host:me/apus.git", "apus"),
  ])
  func filesForAURL(_ url: String, _ identity: String) throws {
    let package = try Self.package("hello", NewPackage.Kernel(url))
    let manifest = try #require(package.files.first { $0.path == "Package.swift" }?.text)
    #expect(manifest.contains(".package(url: \"\(url)\", branch: \"main\")"))
    #expect(manifest.contains("package: \"\(identity)\""))
  }

  @Test(arguments: ["", "3x", "a-b", "a b", "class", "_", "ä", "a/b", ".."])
  func badNames(_ name: String) {
    #expect(throws: NewPackage.Failure.badName(name)) { try Self.package(name, .path("/")) }
  }

  @Test(arguments: [("kernel", "Kernel"), ("Apus", "Apus"), ("swift", "Swift")])
  func takenNames(_ name: String, _ module: String) {
    #expect(throws: NewPackage.Failure.takenName(name, module: module)) {
      try Self.package(name, .path("/"))
    }
  }

  @Test func nothingIsOverwritten() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let package = try Self.package("hello", .path("/src/apus"))
    #expect(try package.write(in: directory.base) == directory.path("hello"))
    #expect(throws: NewPackage.Failure.exists(path: directory.path("hello"))) {
      try package.write(in: directory.base)
    }
  }

  @Test func aKernelIsACloneOrAURL() {
    #expect(throws: NewPackage.Failure.noKernel(path: "/nowhere")) {
      try NewPackage.Kernel("/nowhere")
    }
  }
}

@Suite struct KernelLocationTests {
  /// A tree that looks like a clone.
  static func makeKernel(_ root: String) throws {
    try FileManager.default.createDirectory(
      atPath: "\(root)/SDKs/apus.artifactbundle", withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: "\(root)/Package.swift"))
  }

  @Test func looksAtHomeAboveAndBeside() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let clone = directory.path("clone")
    let installed = directory.path("prefix/share/apus")
    try Self.makeKernel(clone)
    try Self.makeKernel(installed)

    let above = try KernelLocation(environment: [:], executable: "\(clone)/.build/debug/apus")
    #expect(above.root == clone)
    let beside = try KernelLocation(
      environment: [:], executable: directory.path("prefix/bin/apus"))
    #expect(beside.root == installed)
    let home = try KernelLocation(
      environment: ["APUS_HOME": clone], executable: directory.path("prefix/bin/apus"))
    #expect(home.root == clone)
    #expect(throws: KernelLocation.NotFound.atHome("/nowhere")) {
      try KernelLocation(environment: ["APUS_HOME": "/nowhere"], executable: "/bin/apus")
    }
    let elsewhere = directory.path("bin/apus")
    #expect(throws: KernelLocation.NotFound.nowhere(executable: elsewhere)) {
      try KernelLocation(environment: [:], executable: elsewhere)
    }
  }

  @Test func packagesOfTheKernelsTreeShareAScratchPath() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let clone = directory.path("clone")
    try Self.makeKernel(clone)
    let kernel = try KernelLocation(environment: ["APUS_HOME": clone], executable: "/bin/apus")
    for package in ["clone/Examples/A", "other"] { try Self.makeKernel(directory.path(package)) }

    let inside = try PackageBuild(package: "\(clone)/Examples/A", kernel: kernel)
    #expect(
      inside.imagePath(product: "A")
        == "\(clone)/.build-images/x86_64-unknown-none-elf/release/A")
    let outside = try PackageBuild(package: directory.path("other"), kernel: kernel)
    #expect(
      outside.imagePath(product: "A")
        == directory.path("other/.build/x86_64-unknown-none-elf/release/A"))
    #expect(
      outside.arguments(product: "A") == [
        "build", "--swift-sdks-path", "\(clone)/SDKs", "--swift-sdk", "apus-x86_64",
        "-c", "release", "--product", "A", "--package-path", directory.path("other"),
        "--scratch-path",
        directory.path("other/.build"), "--disable-build-manifest-caching",
      ])
    #expect(throws: PackageBuild.Failure.noPackage(path: clone + "/none")) {
      try PackageBuild(package: clone + "/none", kernel: kernel)
    }
  }
}
