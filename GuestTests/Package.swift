// swift-tools-version: 6.2
import PackageDescription

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
      ]),
    .target(name: "CProbe"),
  ]
)
