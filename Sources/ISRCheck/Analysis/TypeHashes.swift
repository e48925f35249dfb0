/// Functions by the hash of their type, which KCFI keeps in the four bytes before them.
///
/// Clang's `-fsanitize=kcfi`: on x86-64 the hash is the operand of a `mov` to EAX that nobody runs,
/// on AArch64 it is a word of data.
struct TypeHashes {
  private var functions: [UInt32: [UInt64]] = [:]

  init(_ image: CodeImage) {
    for function in image.functions.functions where function.address >= 5 {
      guard let hash = image.constant(at: function.address - 4, size: 4), hash != 0 else {
        continue
      }
      if image.file.architecture == .x86_64 {
        let moveToEAX: UInt64 = 0xB8
        guard image.constant(at: function.address - 5, size: 1) == moveToEAX else { continue }
      }
      functions[UInt32(hash), default: []].append(function.address)
    }
  }

  /// The functions whose type has a hash.
  func functions(with hash: UInt32) -> [UInt64] { functions[hash] ?? [] }
}
