#if !hasFeature(Embedded) && arch(x86_64)
/// What one simulated CPU remembers of the page tables: translations of pages, and where tables are.
///
/// It never forgets unasked, so that an entry which should have been flushed is found to be stale.
/// A real one also forgets at any time.
struct TranslationBuffer {
  struct Key: Hashable {
    /// The address without what lies within the page, or within what the table covers.
    var prefix: UInt64
    var level: Int
  }

  struct Translation {
    var physical: UInt64
    var isWritable: Bool
    var isExecutable: Bool
    var isDirty: Bool
  }

  private var pages: [Key: Translation] = [:]
  /// Tables by what they cover; the key's level is that of the table's own entries.
  private var tables: [Key: Translation] = [:]

  /// The translation of the page that `address` lies in.
  func page(of address: UInt64) -> (translation: Translation, level: Int)? {
    if pages.isEmpty { return nil }
    for level in 0...PageTableFormat.largestPageLevel {
      let key = Key(prefix: address & ~(PageTableFormat.span(level: level) - 1), level: level)
      if let found = pages[key] { return (found, level) }
    }
    return nil
  }

  /// The lowest table on the way to `address` that is remembered.
  func table(of address: UInt64) -> (translation: Translation, level: Int)? {
    if tables.isEmpty { return nil }
    for level in 0..<PageTableFormat.rootLevel {
      let key = Key(prefix: address & ~(PageTableFormat.span(level: level + 1) - 1), level: level)
      if let found = tables[key] { return (found, level) }
    }
    return nil
  }

  var rememberedPages: [SimulatedMMU.RememberedPage] {
    pages.map { key, page in
      SimulatedMMU.RememberedPage(
        address: key.prefix, byteCount: PageTableFormat.span(level: key.level),
        physical: page.physical, isWritable: page.isWritable, isExecutable: page.isExecutable)
    }
  }

  mutating func rememberPage(_ translation: Translation, of address: UInt64, level: Int) {
    pages[Key(prefix: address & ~(PageTableFormat.span(level: level) - 1), level: level)] =
      translation
  }

  mutating func rememberTable(_ translation: Translation, of address: UInt64, level: Int) {
    tables[Key(prefix: address & ~(PageTableFormat.span(level: level + 1) - 1), level: level)] =
      translation
  }

  /// Forgets the page of an address, and all tables (volume 3, 4.10.4.1).
  mutating func forget(_ address: UInt64) {
    tables.removeAll()
    for level in 0...PageTableFormat.largestPageLevel {
      pages[Key(prefix: address & ~(PageTableFormat.span(level: level) - 1), level: level)] = nil
    }
  }

  mutating func forgetAll() {
    tables.removeAll()
    pages.removeAll()
  }
}
#endif
