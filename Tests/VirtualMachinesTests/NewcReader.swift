import Foundation

/// One entry of a newc archive, as a reader that shares no code with the packer sees it.
struct NewcEntry {
  let nameBytes: [UInt8]
  let inode: UInt32
  let mode: UInt32
  let owner: UInt32
  let modified: UInt32
  let data: [UInt8]

  var name: String { String(decoding: nameBytes, as: UTF8.self) }
}

struct NewcFormatError: Error {
  let offset: Int
}

/// Reads an archive: headers of 110 ASCII characters, then name and data, each padded to 4 bytes.
func readNewc(_ path: String) throws -> [NewcEntry] {
  let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  var entries: [NewcEntry] = []
  var offset = 0
  while true {
    guard offset + 110 <= bytes.count, bytes[offset..<offset + 6].elementsEqual("070701".utf8)
    else { throw NewcFormatError(offset: offset) }
    let fields = try (0..<13).map { index in
      let start = offset + 6 + 8 * index
      let digits = String(decoding: bytes[start..<start + 8], as: UTF8.self)
      guard let value = UInt32(digits, radix: 16) else { throw NewcFormatError(offset: start) }
      return value
    }
    let nameStart = offset + 110
    let nameEnd = nameStart + Int(fields[11]) - 1
    let dataStart = (nameEnd + 1 + 3) & ~3
    let dataEnd = dataStart + Int(fields[6])
    guard dataEnd <= bytes.count, bytes[nameEnd] == 0 else {
      throw NewcFormatError(offset: offset)
    }
    let name = Array(bytes[nameStart..<nameEnd])
    if name == Array("TRAILER!!!".utf8) { return entries }
    entries.append(
      NewcEntry(
        nameBytes: name, inode: fields[0], mode: fields[1], owner: fields[2] | fields[3],
        modified: fields[5], data: Array(bytes[dataStart..<dataEnd])))
    offset = (dataEnd + 3) & ~3
  }
}
