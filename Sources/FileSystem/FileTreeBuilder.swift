/// Makes a tree of the entries of an archive.
struct FileTreeBuilder {
  private(set) var records: [FileTree.Record] = []
  private(set) var children: [Int] = []
  private let archive: Archive
  /// The nodes from the root down to the one added last.
  private var ancestors: [Int] = []

  init(_ archive: Archive) throws(ArchiveError) {
    self.archive = archive
    let order = sortedEntries()
    records.reserveCapacity(order.count + 1)
    add(path: 0..<0, nameStart: 0, kind: .directory, mode: 0o040755, contents: 0..<0)
    var index = 0
    while index < order.count {
      // The last entry with this path counts.
      while index + 1 < order.count && comparePaths(order[index], order[index + 1]) == 0 {
        index += 1
      }
      try add(archive.entries[order[index]])
      index += 1
    }
    linkChildren()
  }

  private func sortedEntries() -> [Int] {
    var order = Array(0..<archive.entries.count)
    order.heapSort { left, right in
      let result = comparePaths(left, right)
      return result == 0 ? left < right : result < 0
    }
    return order
  }

  private func comparePaths(_ left: Int, _ right: Int) -> Int {
    archive.paths.withUnsafeBytes { paths in
      ByteOrder.comparePaths(
        UnsafeRawBufferPointer(rebasing: paths[archive.entries[left].path]),
        UnsafeRawBufferPointer(rebasing: paths[archive.entries[right].path]))
    }
  }

  private mutating func add(_ entry: Archive.Entry) throws(ArchiveError) {
    let path = entry.path
    if path.isEmpty {
      guard entry.kind == .directory else {
        throw ArchiveError(reason: .notADirectory, offset: entry.offset)
      }
      records[0].mode = entry.mode
      return
    }
    while !isBelow(path, ancestors[ancestors.count - 1]) { ancestors.removeLast() }
    // Add the directories between the nearest known one and the entry.
    var nameStart = path.lowerBound + nameOffset(below: ancestors[ancestors.count - 1])
    for position in nameStart..<path.upperBound where archive.paths[position] == UInt8(ascii: "/") {
      try requireDirectory(entry)
      add(
        path: path.lowerBound..<position, nameStart: nameStart, kind: .directory, mode: 0o040755,
        contents: 0..<0)
      nameStart = position + 1
    }
    try requireDirectory(entry)
    add(
      path: path, nameStart: nameStart, kind: entry.kind, mode: entry.mode,
      contents: entry.kind == .directory ? 0..<0 : entry.contents)
  }

  private func requireDirectory(_ entry: Archive.Entry) throws(ArchiveError) {
    guard records[ancestors[ancestors.count - 1]].kind == .directory else {
      throw ArchiveError(reason: .notADirectory, offset: entry.offset)
    }
  }

  private mutating func add(
    path: Range<Int>, nameStart: Int, kind: FileTree.Kind, mode: UInt32, contents: Range<Int>
  ) {
    records.append(
      FileTree.Record(
        path: path, nameStart: nameStart, parent: ancestors.last ?? 0, kind: kind, mode: mode,
        contents: contents, children: 0..<0))
    ancestors.append(records.count - 1)
  }

  /// How many bytes of a path below the node come before the name of the node's child.
  private func nameOffset(below node: Int) -> Int {
    node == 0 ? 0 : records[node].path.count + 1
  }

  private func isBelow(_ path: Range<Int>, _ node: Int) -> Bool {
    if node == 0 { return true }
    let parent = records[node].path
    guard path.count > parent.count,
      archive.paths[path.lowerBound + parent.count] == UInt8(ascii: "/")
    else { return false }
    for index in 0..<parent.count
    where archive.paths[path.lowerBound + index] != archive.paths[parent.lowerBound + index] {
      return false
    }
    return true
  }

  /// Sorts the nodes by their parents, keeping the order that they are in.
  private mutating func linkChildren() {
    var counts = [Int](repeating: 0, count: records.count)
    for index in 1..<max(1, records.count) { counts[records[index].parent] += 1 }
    var start = 0
    for index in 0..<records.count {
      records[index].children = start..<start
      start += counts[index]
    }
    children = [Int](repeating: 0, count: start)
    for index in 1..<max(1, records.count) {
      let parent = records[index].parent
      let range = records[parent].children
      children[range.upperBound] = index
      records[parent].children = range.lowerBound..<range.upperBound + 1
    }
  }
}
