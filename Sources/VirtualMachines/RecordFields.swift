/// What stands behind the name of a record: a fixed number of numbers, then for some records text, which
/// may have blanks.
struct RecordFields {
  let numbers: [Int]
  /// Empty where there is none.
  let text: String

  /// Takes `count` numbers, and text if `hasText`; `nil` where these are not what is there.
  init?(_ fields: [String], numbers count: Int, hasText: Bool = false) {
    numbers = fields.prefix(count).compactMap { Int($0) }
    guard numbers.count == count, hasText || fields.count == count else { return nil }
    text = fields.dropFirst(count).joined(separator: " ")
  }
}
