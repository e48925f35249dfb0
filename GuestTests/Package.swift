// swift-tools-version: 6.2
import PackageDescription

/// As in the kernel's package: some tests are about what only checked images find.
let checked: [SwiftSetting] =
  Context.environment["APUS_CHECKED"] != nil ? [.define("CHECKED")] : []

let package = Package(
  name: "GuestTests",
  dependencies: [.package(name: "apus", path: "..")],
  targets: [
    .executableTarget(
      name: "GuestTests",
      dependencies: [
        "CProbe", .product(name: "Apus", package: "apus"),
        .product(name: "GuestTesting", package: "apus"),
        .product(name: "KernelModules", package: "apus"),
      ], swiftSettings: checked),
    .target(name: "CProbe"),
  ]
)
