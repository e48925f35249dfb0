/// Extended registers are the interrupted program's.
extension Examination {
  func extendedRegisters() -> [Finding] {
    reaches.flatMap { reach in
      reach.nodes.flatMap { index -> [Finding] in
        let node = exploration.nodes[index]
        let writes = node.extendedWrites.sorted { $0.key < $1.key }.compactMap { address, groups in
          finding(
            .extendedWrite, "writes \(groups.names) (\(image.text(at: address)))", at: address,
            in: index, of: reach)
        }
        guard severity(of: .extendedRead) != nil else { return writes }
        let reads = node.extendedReads.sorted { $0.key < $1.key }
          .filter { node.extendedWrites[$0.key] == nil }
          .compactMap { address, groups in
            finding(
              .extendedRead, "reads \(groups.names) (\(image.text(at: address)))", at: address,
              in: index, of: reach)
          }
        return writes + reads
      }
    }
  }
}
