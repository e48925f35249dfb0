import Apus
import Boot
import GuestTesting
import VirtualMemory

/// What applications map: memory with names, files, devices.
enum MappingTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Mappings",
      [
        Test("memory comes and goes") { t in
          // What the first name of all takes, and the first range of the CPU, is kept.
          _ = try? MemoryMapping(byteCount: 4096, named: "mine")
          let before = FaultTests.settledFreeByteCount()
          checked(t) { () throws(AddressSpaceError) in
            let mapping = try MemoryMapping(byteCount: 1 << 20, named: "mine")
            t.expect(mapping.residentByteCount, equals: 0)
            mapping.withUnsafeMutableBytes { bytes in
              for page in 0..<256 { bytes[page * 4096 + page] = UInt8(page) }
            }
            t.expect(mapping.residentByteCount, equals: 1 << 20)
            try mapping.discard(in: 4096..<8192)
            t.expect(mapping.residentByteCount, equals: 1 << 20 - 4096)
            mapping.withUnsafeBytes { bytes in
              t.expect(bytes[4097], equals: 0)
              for page in 2..<256 { t.expect(bytes[page * 4096 + page], equals: UInt8(page)) }
            }
          }
          t.expect(FaultTests.settledFreeByteCount(), equals: before, "free bytes")
        },
        Test("areas have names") { t in
          checked(t) { () throws(AddressSpaceError) in
            let mapping = try MemoryMapping(byteCount: 5 * 4096, named: "list of words")
            try mapping.protect([], in: 4096..<8192)
            let start = UInt64(mapping.address)
            let area = AddressSpace.shared.area(at: start + 4096)
            t.expect(
              area.map { $0.start == start + 4096 && $0.end == start + 8192 } ?? false, "borders")
            t.expect(area?.kind == AreaKind(.anonymous, named: "list of words"), "name")
            t.expect(area?.permissions == [], "permissions")
            var count = 0
            for area in Memory.areas where area.kind.name == "list of words" { count += 1 }
            t.expect(count, equals: 3, "areas")
          }
        },
        Test("a file is shared until it is written") { t in
          withFile { file in
            checked(t) { () throws(AddressSpaceError) in
              let mapping = try MemoryMapping(contentsOf: file, .write, named: "file")
              mapping.withUnsafeMutableBytes { bytes in
                t.expect(bytes.count, equals: file.count)
                for index in stride(from: 0, to: file.count, by: 97) {
                  t.expect(bytes[index], equals: file[index], "byte \(index)")
                }
                t.expect(
                  translation(of: bytes.baseAddress) == UInt64(UInt(bitPattern: file.baseAddress)),
                  "the first page is a copy")
                t.expect((bytes.baseAddress?.load(fromByteOffset: 12287, as: UInt8.self) ?? 1) == 0)
                let address = UInt(bitPattern: bytes.baseAddress)
                CPUSet.online.run { cpu in
                  UnsafeMutablePointer<UInt8>(bitPattern: address)?[cpu.index] = 200
                }
                for cpu in CPUSet.online { t.expect(bytes[cpu.index], equals: 200) }
                t.expect(bytes[100], equals: file[100], "the rest of the page")
                t.expect(file[0], equals: 0, "the file")
              }
              try mapping.discard()
              mapping.withUnsafeBytes { t.expect($0[0], equals: file[0], "after discard") }
            }
          }
        },
        Test("one page of a file is copied while all CPUs read it") { t in
          withFile { file in
            for _ in 0..<50 {
              checked(t) { () throws(AddressSpaceError) in
                let mapping = try MemoryMapping(contentsOf: file, .write)
                let address = mapping.address
                let writes = Atomic<Int>(0)
                let failures = Atomic<Int>(0)
                CPUSet.online.run { cpu in
                  guard let bytes = UnsafeMutablePointer<UInt8>(bitPattern: address) else { return }
                  // Each CPU writes a byte, and no CPU sees one gone again.
                  var seen = 0
                  for round in 0..<20 {
                    if round == 5 {
                      bytes[cpu.index] = 1
                      writes.wrappingAdd(1, ordering: .acquiringAndReleasing)
                    }
                    let least = writes.load(ordering: .acquiring)
                    var now = 0
                    for other in CPUSet.online where bytes[other.index] == 1 { now += 1 }
                    if now < seen || now < least { failures.wrappingAdd(1, ordering: .relaxed) }
                    seen = now
                  }
                }
                t.expect(failures.load(ordering: .relaxed), equals: 0)
              }
            }
            for index in 0..<64 { t.expect(file[index], equals: UInt8(index)) }
          }
        },
        Test("a device's registers are there, memory is none") { t in
          checked(t) { () throws(AddressSpaceError) in
            // The local APIC's version (volume 3, 11.4.8).
            let mapping = try MemoryMapping(device: 0xFEE0_0000, byteCount: 4096, named: "APIC")
            t.expect(mapping.residentByteCount, equals: 4096)
            let version = mapping.withUnsafeBytes { $0.load(fromByteOffset: 0x30, as: UInt32.self) }
            t.expect(version & 0xF0 == 0x10, "version \(version)")
          }
          do throws(AddressSpaceError) {
            _ = try MemoryMapping(device: 32 << 20, byteCount: 4096)
            t.fail("memory is mapped as a device")
          } catch {
            t.expect(error == .isMemory(start: 32 << 20, byteCount: 4096))
          }
        },
        Test("writing to a file that is to be read", dies: "write to 0x") {
          withFile { file in
            guard let mapping = try? MemoryMapping(contentsOf: file) else { return }
            UnsafeMutablePointer<UInt8>(bitPattern: mapping.address)?.pointee = 1
            Console.error("\(mapping.byteCount)")
          }
        },
      ])
  }

  private static func checked(
    _ t: TestContext, _ body: () throws(AddressSpaceError) -> Void
  ) {
    do throws(AddressSpaceError) { try body() } catch { t.fail("an operation is refused") }
  }

  /// Bytes at the border of a page, as many as two pages and a half have, that count up.
  private static func withFile(_ body: (UnsafeRawBufferPointer) -> Void) {
    let file = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 * 4096, alignment: 4096)
    for index in 0..<file.count { file[index] = UInt8(truncatingIfNeeded: index) }
    body(UnsafeRawBufferPointer(rebasing: file[..<10_240]))
    file.deallocate()
  }

  private static func translation(of pointer: UnsafeMutableRawPointer?) -> UInt64? {
    AddressSpace.shared.translate(UInt64(UInt(bitPattern: pointer)))?.address.rawValue
  }
}
