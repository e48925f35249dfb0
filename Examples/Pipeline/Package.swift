// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "Pipeline",
  dependencies: [
    .package(name: "apus", path: "../..")
  ],
  targets: [
    .executableTarget(name: "Pipeline", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
