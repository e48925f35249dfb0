import CLibMD

/// The Secure Hash Algorithm with 256 bits (FIPS 180-4), as libmd computes it.
struct SHA256 {
  private var context = SHA2_CTX()

  init() { SHA256Init(&context) }

  /// Adds bytes to what is hashed.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    SHA256Update(&context, base.assumingMemoryBound(to: UInt8.self), bytes.count)
  }

  /// The digest in hexadecimal; nothing may be added afterwards.
  consuming func hexadecimal() -> String {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    SHA256Final(&digest, &context)
    return digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// The digest of a text's UTF-8 bytes in hexadecimal.
  static func hexadecimal(of text: String) -> String {
    var hash = SHA256()
    Array(text.utf8).withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal()
  }
}
