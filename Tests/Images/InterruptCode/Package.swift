// swift-tools-version: 6.2
// Applications whose closures run in interrupts: two that `apus build` proves, and one for each
// fault that it must find. `A` and `Z` are the same but for their names, because the order in which
// objects are linked must not matter.

import PackageDescription

let apus = Target.Dependency.product(name: "Apus", package: "apus")

let package = Package(
  name: "InterruptCode",
  dependencies: [
    .package(name: "apus", path: "../../..")
  ],
  targets: [
    .target(name: "Shared", dependencies: [apus]),
    .executableTarget(name: "A", dependencies: ["Shared"]),
    .executableTarget(name: "Z", dependencies: ["Shared"]),
  ]
    + ["Allocates", "Prints", "Nests", "Unknown", "Recurses", "Locks", "Sleeps"].map {
      .executableTarget(name: $0, dependencies: [apus])
    }
)
