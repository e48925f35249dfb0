// swift-tools-version: 6.2
// Apus: a unikernel for many CPUs in Embedded Swift.
//
// Modules depend downwards only. The kernel modules are built for two worlds from the same
// sources: for the image through the Swift SDK in `SDKs/`, and for the host, where the tests run.

import PackageDescription

/// Continuous integration sets this, so that a newer compiler's new warning never breaks a user.
let warningsAsErrors: [SwiftSetting] =
  Context.environment["APUS_WARNINGS_AS_ERRORS"] != nil ? [.treatAllWarnings(as: .error)] : []

/// `CHECKED` adds what finds a kernel's bugs while it runs and costs on hot paths: always in debug
/// builds, which are the host's, and in an image where the environment asks for it.
let checked: [SwiftSetting] =
  Context.environment["APUS_CHECKED"] != nil
  ? [.define("CHECKED")] : [.define("CHECKED", .when(configuration: .debug))]

/// Kernel code runs in interrupts and must leave the application's vector registers alone, so
/// the compiler may not use them for copies and zeroing. On the host this changes nothing else.
/// `Builtin` and `RawLayout` are needed by one type, the storage of a lock.
let kernel: [SwiftSetting] =
  warningsAsErrors + checked + [
    .unsafeFlags(["-Xcc", "-mno-implicit-float", "-Xfrontend", "-enable-builtin-module"]),
    .enableExperimentalFeature("RawLayout"), .enableExperimentalFeature("Lifetimes"),
  ]

/// For modules that an image runs through once, and never in interrupts: small, not fast.
let small: [SwiftSetting] =
  kernel + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

let package = Package(
  name: "apus",
  products: [
    .library(name: "Apus", targets: ["Apus"]),
    .library(name: "GuestTesting", targets: ["GuestTesting"]),
    // For benchmarks, which measure the modules themselves. An application imports Apus.
    .library(
      name: "KernelModules",
      targets: [
        "Parallel", "Scheduler", "Heap", "VirtualMemory", "PhysicalMemory", "Locking", "PerCPU",
        "Machine", "Boot",
      ]),
    .executable(name: "apus", targets: ["ApusCommand"]),
    .executable(name: "isrcheck", targets: ["ISRCheckCommand"]),
    .library(name: "ISRCheck", targets: ["ISRCheck"]),
    .library(name: "InstructionCounter", type: .dynamic, targets: ["InstructionCounter"]),
    .library(name: "InterruptTrace", type: .dynamic, targets: ["InterruptTrace"]),
    .library(name: "ConflictTrace", type: .dynamic, targets: ["ConflictTrace"]),
    .library(name: "InstructionProfile", type: .dynamic, targets: ["InstructionProfile"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // What an application imports.
    .target(
      name: "Apus",
      dependencies: [
        "Kernel", "Parallel", "Scheduler", "Interrupts", "Heap", "VirtualMemory", "PhysicalMemory",
        "Console",
        "FileSystem",
        "PerCPU", "Machine", "Boot",
      ],
      swiftSettings: kernel),
    .target(name: "GuestTesting", dependencies: ["Apus"], swiftSettings: kernel),

    // The kernel, from the start-up sequence down to the hardware.
    .target(
      name: "Kernel",
      dependencies: [
        "Scheduler", "Interrupts", "Heap", "VirtualMemory", "PhysicalMemory", "Console", "Locking",
        "Tracing",
        "PerCPU", "Machine", "CMachine", "Boot", "ACPI", "FileSystem",
      ],
      swiftSettings: kernel),
    .target(
      name: "Interrupts",
      dependencies: ["Console", "Locking", "Tracing", "PerCPU", "Machine", "CMachine"],
      swiftSettings: kernel),
    .target(
      name: "Parallel", dependencies: ["Scheduler", "PerCPU", "Machine"], swiftSettings: kernel),
    .target(
      name: "Scheduler",
      dependencies: ["VirtualMemory", "Locking", "Tracing", "PerCPU", "Machine", "CMachine"],
      swiftSettings: kernel),
    .target(
      name: "Heap",
      dependencies: [
        "VirtualMemory", "PhysicalMemory", "Boot", "Locking", "PerCPU", "Machine", "CMachine",
      ],
      swiftSettings: kernel),
    .target(
      name: "VirtualMemory",
      dependencies: [
        "PhysicalMemory", "Interrupts", "Boot", "Locking", "Tracing", "PerCPU", "Machine",
      ],
      swiftSettings: kernel),
    .target(
      name: "PhysicalMemory",
      dependencies: ["Locking", "PerCPU", "Machine", "CMachine", "Boot"], swiftSettings: kernel),
    .target(
      name: "Console", dependencies: ["Locking", "PerCPU", "Machine", "CMachine"],
      swiftSettings: kernel),
    .target(
      name: "Locking", dependencies: ["Tracing", "PerCPU", "Machine", "CMachine"],
      swiftSettings: kernel),
    .target(name: "Tracing", dependencies: ["PerCPU", "Machine"], swiftSettings: kernel),
    .target(name: "PerCPU", dependencies: ["Machine"], swiftSettings: kernel),
    .target(name: "Machine", dependencies: ["CMachine"], swiftSettings: kernel),
    .target(
      name: "CMachine", dependencies: ["ISRNotes"],
      cSettings: [.unsafeFlags(["-mno-implicit-float"])]),

    // Pure parsers of what the virtual machine monitor hands over.
    .target(name: "ACPI", dependencies: ["Boot"], swiftSettings: small),
    .target(name: "FileSystem", swiftSettings: small),
    .target(name: "Boot", swiftSettings: small),

    // The host command and what it stands on.
    .executableTarget(
      name: "ApusCommand",
      dependencies: [
        "VirtualMachines", "ISRCheckOptions",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: warningsAsErrors),
    .target(
      name: "VirtualMachines", dependencies: ["ELF", "CLibArchive", "CHost"],
      swiftSettings: warningsAsErrors),
    .target(name: "CHost"),
    // The checker of interrupt code, and the files that it and the command read.
    .executableTarget(
      name: "ISRCheckCommand",
      dependencies: [
        "ISRCheck", "ISRCheckOptions",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: warningsAsErrors),
    // The flags of a check, for each command that offers one.
    .target(
      name: "ISRCheckOptions",
      dependencies: [
        "ISRCheck", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: warningsAsErrors),
    .target(
      name: "ISRCheck", dependencies: ["ELF", "CZydis", "CLibMD"], swiftSettings: warningsAsErrors),
    .target(name: "ELF", dependencies: ["CHost"], swiftSettings: warningsAsErrors),
    // The header by which C and assembly annotate functions for the checker.
    .target(name: "ISRNotes"),
    .systemLibrary(name: "CZydis", providers: [.apt(["libzydis-dev"])]),
    .systemLibrary(name: "CLibMD", providers: [.apt(["libmd-dev"])]),
    .systemLibrary(name: "CLibArchive", providers: [.apt(["libarchive-dev"])]),
    // Loaded by QEMU, which has no Swift runtime: neither its start-up code nor its library.
    .target(
      name: "InstructionCounter", publicHeadersPath: ".",
      cSettings: [.headerSearchPath("../QEMUPlugin")],
      linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-stdlib"])]),
    .target(
      name: "InstructionProfile", publicHeadersPath: ".",
      cSettings: [.headerSearchPath("../QEMUPlugin")],
      linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-stdlib"])]),
    .target(
      name: "ConflictTrace", publicHeadersPath: ".",
      cSettings: [.headerSearchPath("../QEMUPlugin")],
      linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-stdlib"])]),
    .target(
      name: "InterruptTrace", publicHeadersPath: ".",
      cSettings: [.headerSearchPath("../QEMUPlugin")],
      linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-stdlib"])]),

    // Runs scenarios over the kernel modules in many orders, on the host. Optimised in debug builds
    // too: it does more than what it explores. Its CPUs leave each other's stacks at any time, so
    // the bookkeeping of exclusive access, which is the thread's, would mix them up.
    .target(
      name: "Exploration", dependencies: ["Machine", "CMachine", "CExploration", "ELF"],
      swiftSettings: warningsAsErrors + [
        .unsafeFlags(["-O", "-enforce-exclusivity=unchecked"], .when(configuration: .debug))
      ]),
    .target(name: "CExploration"),

    // What several test targets use.
    .target(
      name: "TestSupport", dependencies: ["Boot"], path: "Tests/TestSupport",
      swiftSettings: warningsAsErrors),
    // Operations on address spaces of simulated CPUs, in any order, against a simple model: for a
    // test, and for a fuzzer.
    .target(
      name: "AddressSpaceCampaign",
      dependencies: [
        "VirtualMemory", "PhysicalMemory", "Interrupts", "Boot", "Locking", "PerCPU", "Machine",
        "CMachine", "TestSupport",
      ],
      path: "Tests/AddressSpaceCampaign",
      swiftSettings: warningsAsErrors + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
    // Programs of threads with what must be true of them: for an explorer, and for ThreadSanitizer. Its threads
    // change stacks, as above.
    .target(
      name: "ThreadScenarios", dependencies: ["Scheduler", "PerCPU", "Machine", "TestSupport"],
      path: "Tests/ThreadScenarios",
      swiftSettings: warningsAsErrors + [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    .testTarget(
      name: "BootTests", dependencies: ["Boot", "TestSupport"], swiftSettings: warningsAsErrors),
    .testTarget(
      name: "ACPITests", dependencies: ["ACPI", "Boot", "TestSupport"],
      swiftSettings: warningsAsErrors),
    .testTarget(
      name: "FileSystemTests", dependencies: ["FileSystem", "VirtualMachines", "TestSupport"],
      swiftSettings: warningsAsErrors),
    .testTarget(
      name: "VirtualMachinesTests",
      dependencies: [
        "VirtualMachines", "ApusCommand", "ISRCheck", "ELF", "PerCPU", "TestSupport",
      ],
      swiftSettings: warningsAsErrors),
    .testTarget(
      name: "ELFTests", dependencies: ["ELF", "TestSupport"], swiftSettings: warningsAsErrors),
    .testTarget(
      name: "ISRCheckTests",
      dependencies: ["ISRCheck", "ISRCheckOptions", "ISRCheckCommand", "ELF", "TestSupport"],
      exclude: ["Golden", "Kernel"],
      swiftSettings: warningsAsErrors),
    .testTarget(
      name: "KernelTests",
      dependencies: [
        "Kernel", "Parallel", "Interrupts", "Scheduler", "Heap", "VirtualMemory",
        "PhysicalMemory", "Console",
        "Locking", "Tracing", "PerCPU", "Machine", "Boot", "TestSupport", "ThreadScenarios",
      ],
      swiftSettings: warningsAsErrors,
      // For ThreadSanitizer: see `__wrap___tsan_external_write` in Sources/CMachine/hosted/switch.c.
      linkerSettings: [.unsafeFlags(["-Xlinker", "--wrap=__tsan_external_write"])]),
    .testTarget(
      name: "ExplorationTests",
      dependencies: [
        "Exploration", "AddressSpaceCampaign", "Kernel", "Parallel", "Interrupts", "Scheduler",
        "Heap", "VirtualMemory", "PhysicalMemory", "Console",
        "Locking", "PerCPU", "Machine", "Boot", "ThreadScenarios",
      ],
      swiftSettings: warningsAsErrors + [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
  ]
)
