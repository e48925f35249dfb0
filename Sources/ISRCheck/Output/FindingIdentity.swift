/// What a baseline and SARIF know a finding by, also when the image is linked anew.
public struct FindingIdentity: Hashable, Codable, Sendable {
  /// The first 32 hexadecimal digits of the SHA-256 of `Finding.fingerprint`.
  public var fingerprint: String
  /// The number among the findings of one report with this fingerprint, from 1, by address.
  public var occurrence: Int

  public init(fingerprint: String, occurrence: Int) {
    self.fingerprint = fingerprint
    self.occurrence = occurrence
  }
}

extension Report {
  /// The identity of each finding, in the order of `findings`. The severities do not count.
  public var identities: [FindingIdentity] {
    var result = findings.map {
      FindingIdentity(
        fingerprint: String(SHA256.hexadecimal(of: $0.fingerprint).prefix(32)), occurrence: 1)
    }
    let byAddress = findings.indices.sorted {
      (findings[$0].place.address, $0) < (findings[$1].place.address, $1)
    }
    var counts: [String: Int] = [:]
    for index in byAddress {
      counts[result[index].fingerprint, default: 0] += 1
      result[index].occurrence = counts[result[index].fingerprint] ?? 1
    }
    return result
  }
}
