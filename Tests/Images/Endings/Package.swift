// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "Endings",
  dependencies: [
    .package(name: "apus", path: "../../..")
  ],
  targets: [
    .executableTarget(name: "Endings", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
