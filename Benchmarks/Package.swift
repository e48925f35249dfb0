// swift-tools-version: 6.2
import PackageDescription

// Next to the kernel and not an application: it measures the kernel's modules themselves too.
let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "apus", path: "..")],
  targets: [
    .executableTarget(
      name: "Benchmarks",
      dependencies: [
        "CBenchmarks", .product(name: "Apus", package: "apus"),
        .product(name: "KernelModules", package: "apus"),
      ]),
    .target(name: "CBenchmarks"),
  ]
)
