// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "WordCount",
  dependencies: [
    .package(name: "apus", path: "../..")
  ],
  targets: [
    .executableTarget(name: "WordCount", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
