// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "SharedMemory",
  dependencies: [
    .package(name: "apus", path: "../..")
  ],
  targets: [
    .executableTarget(name: "SharedMemory", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
