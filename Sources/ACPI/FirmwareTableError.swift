import Boot

/// Why a table of the firmware cannot be used.
///
/// `write(to:)` needs no heap.
public enum FirmwareTableError: Error, Equatable, Sendable {
  /// The tables and structures that an error can be about.
  public enum Table: Equatable, Sendable {
    /// The ACPI root pointer.
    case rsdp
    /// The ACPI root table with 32-bit addresses.
    case rsdt
    /// The ACPI root table with 64-bit addresses.
    case xsdt
    /// The ACPI table of interrupt controllers and processors.
    case madt
    /// The ACPI table of the power registers.
    case fadt
    /// The floating pointer of the MultiProcessor specification.
    case mpFloatingPointer
    /// The configuration table of the MultiProcessor specification.
    case mpConfigurationTable
    /// Another ACPI table.
    case other

    /// What messages call the table.
    public var name: StaticString {
      switch self {
      case .rsdp: "RSDP"
      case .rsdt: "RSDT"
      case .xsdt: "XSDT"
      case .madt: "MADT"
      case .fadt: "FADT"
      case .mpFloatingPointer: "MP floating pointer"
      case .mpConfigurationTable: "MP configuration table"
      case .other: "ACPI table"
      }
    }
  }

  /// No such table was found.
  case missing(Table)
  /// A part of the table lies where nothing may be read.
  case unreadable(Table, address: UInt64)
  /// Another signature stands where the table should be.
  case badSignature(Table, address: UInt64)
  /// The bytes of the table do not sum up to 0.
  case badChecksum(Table, address: UInt64)
  /// The table claims a length in bytes that it cannot have.
  case badLength(Table, address: UInt64, length: UInt64)
  /// The table claims more entries than its length has room for.
  case absurdCount(Table, address: UInt64, count: UInt64)
  /// An entry of the table is too short for its type, empty, or longer than the rest of the table.
  case badEntry(Table, address: UInt64, type: UInt8)
  /// The default configuration of the MultiProcessor specification has a number unknown to it.
  case unknownDefaultConfiguration(UInt8)
  /// The table has no processor that can be started.
  case noProcessors(Table)
}

extension FirmwareTableError: TextOutputStreamable, CustomStringConvertible {
  /// Writes the message: one line that says what is wrong.
  public func write<Target: TextOutputStream>(to target: inout Target) {
    switch self {
    case .missing(let table):
      target.write("no ")
      target.write(table)
      target.write(" found")
    case .unreadable(let table, let address):
      target.write(table, at: address)
      target.write(" lies outside of readable memory")
    case .badSignature(let table, let address):
      target.write(table, at: address)
      target.write(" has a wrong signature")
    case .badChecksum(let table, let address):
      target.write(table, at: address)
      target.write(" has a bad checksum")
    case .badLength(let table, let address, let length):
      target.write(table, at: address)
      target.write(" claims an impossible length of ")
      target.writeDecimal(length)
      target.write(" bytes")
    case .absurdCount(let table, let address, let count):
      target.write(table, at: address)
      target.write(" claims ")
      target.writeDecimal(count)
      target.write(" entries, more than it has room for")
    case .badEntry(let table, let address, let type):
      target.write(table)
      target.write(" has an entry of type ")
      target.writeDecimal(UInt64(type))
      target.write(" with a wrong length at ")
      target.writeHexadecimal(address)
    case .unknownDefaultConfiguration(let number):
      target.write("MP floating pointer names the unknown default configuration ")
      target.writeDecimal(UInt64(number))
    case .noProcessors(let table):
      target.write(table)
      target.write(" lists no processor that can be started")
    }
    target.write("; the firmware is at fault, try another machine type")
  }

  /// The message as a string; takes memory from the heap.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }
}

extension TextOutputStream {
  fileprivate mutating func write(_ table: FirmwareTableError.Table) {
    table.name.withUTF8Buffer { bytes in
      for byte in bytes { write(String(UnicodeScalar(byte))) }
    }
  }

  fileprivate mutating func write(_ table: FirmwareTableError.Table, at address: UInt64) {
    write(table)
    write(" at ")
    writeHexadecimal(address)
  }
}
