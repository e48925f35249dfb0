// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "Mandelbrot",
  dependencies: [
    .package(name: "apus", path: "../..")
  ],
  targets: [
    .executableTarget(name: "Mandelbrot", dependencies: [.product(name: "Apus", package: "apus")])
  ]
)
