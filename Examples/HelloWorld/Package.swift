// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "HelloWorld",
  dependencies: [
    .package(name: "apus", path: "../..")
  ],
  targets: [
    .executableTarget(name: "HelloWorld", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
