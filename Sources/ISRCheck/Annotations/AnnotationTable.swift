/// The annotations that an image brings along, in its section `.isr.notes`.
///
/// The section is an array of records of 24 bytes: `u32 kind; u32 argument; u64 function; u64
/// extra`, little-endian. A record of zeroes is padding.
/// `Documentation/InterruptAnnotations.md` says what each kind means by `argument` and `extra`.
public struct AnnotationTable: Equatable, Sendable {
  /// The name of the section.
  public static let section = ".isr.notes"
  /// The size of a record in bytes.
  public static let recordSize = 24

  /// What the records declare, in their order. What has been declared before is left out: a
  /// declaration in a C header stands once in each file that includes it.
  public let annotations: [Annotation]

  /// The kinds of records with their numbers, which never change.
  public enum RecordKind: UInt32, Sendable, CaseIterable {
    case root = 1
    case vectors = 2
    case trusted = 3
    case denied = 4
    case fatal = 5
    case registersHandler = 6
    case callsMembers = 7
    case member = 8
    case acquires = 9
    case releases = 10
    case stack = 11
    case frame = 12
    case savesExtendedState = 13
    case restoresExtendedState = 14
    case recursion = 15
    case interruptSafe = 16
    case interruptState = 17
    case indirectThunk = 18
    case returnThunk = 19
  }

  /// Reads the records.
  ///
  /// - Parameters:
  ///   - bytes: the section's bytes, with relocations applied.
  ///   - address: the section's address in the image.
  ///   - string: gives the text at an address of the image, up to the next zero byte.
  ///   - symbol: gives the name of the symbol that begins at an address, as it stands in the file
  ///     and demangled. Texts of records that Swift wrote are in these names.
  public init(
    bytes: UnsafeRawBufferPointer, at address: UInt64, string: (UInt64) -> String?,
    symbol: (UInt64) -> (name: String, readableName: String)?
  ) throws(AnnotationTableError) {
    guard bytes.count % Self.recordSize == 0 else {
      throw AnnotationTableError(record: nil, problem: .size(bytes.count))
    }
    var annotations: [Annotation] = []
    var seen: Set<Declared> = []
    for index in 0..<bytes.count / Self.recordSize {
      let record = Record(bytes, index: index, table: address)
      if record.isPadding { continue }
      let kind: Annotation.Kind
      do throws(AnnotationTableError.Problem) {
        kind = try record.annotationKind(string: string, symbol: symbol)
      } catch {
        throw AnnotationTableError(record: index, problem: error)
      }
      guard seen.insert(Declared(function: record.function, kind: kind)).inserted else { continue }
      annotations.append(
        Annotation(function: record.function, kind: kind, origin: .table(index: index)))
    }
    self.annotations = annotations
  }

  private struct Declared: Hashable {
    var function: UInt64
    var kind: Annotation.Kind
  }
}

/// A record as it stands in the table.
private struct Record {
  typealias Problem = AnnotationTableError.Problem

  /// Where the record itself is.
  var address: UInt64
  var kind: UInt32
  var argument: UInt32
  var function: UInt64
  var extra: UInt64

  /// Reads a record that lies wholly within `bytes`.
  init(_ bytes: UnsafeRawBufferPointer, index: Int, table: UInt64) {
    let offset = index * AnnotationTable.recordSize
    address = table &+ UInt64(offset)
    kind = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    argument = UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
    function = UInt64(
      littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    extra = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
  }

  var isPadding: Bool { kind == 0 && argument == 0 && function == 0 && extra == 0 }

  func annotationKind(
    string: (UInt64) -> String?, symbol: (UInt64) -> (name: String, readableName: String)?
  ) throws(Problem) -> Annotation.Kind {
    guard let kind = AnnotationTable.RecordKind(rawValue: kind) else { throw .unknownKind(kind) }
    guard function != 0 else { throw .noFunction }
    if let name = symbol(function)?.name, Self.isMadeByCompiler(name) { throw .madeFunction(name) }
    switch kind {
    case .root: return .root(level: argument, vector: extra == .max ? nil : extra)
    case .vectors:
      guard argument != 0 else { throw .zero("the number of vectors") }
      return .vectors(count: argument, stride: extra)
    case .trusted:
      guard let reason = try text(string, symbol) else { throw .missingReason }
      return .trusted(reason: reason)
    case .denied:
      guard let denial = Annotation.Denial(rawValue: argument) else { throw .argument(argument) }
      return .denied(denial, reason: try text(string, symbol))
    case .fatal: return .fatal
    case .registersHandler: return .registersHandler(argument: argument, set: extra)
    case .callsMembers: return .callsMembers(set: try set())
    case .member: return .member(set: try set())
    case .acquires: return .acquires(try lock(string, symbol))
    case .releases: return .releases(try lock(string, symbol))
    case .stack:
      guard argument != 0 else { throw .zero("the stack's size") }
      return .stack(size: argument, stack: extra)
    case .frame: return .frame(size: argument)
    case .savesExtendedState: return .savesExtendedState(try extendedState())
    case .restoresExtendedState: return .restoresExtendedState(try extendedState())
    case .recursion:
      guard argument != 0 else { throw .zero("the depth of the recursion") }
      return .recursion(depth: argument)
    case .interruptSafe: return .interruptSafe
    case .interruptState:
      guard let change = Annotation.InterruptChange(rawValue: argument) else {
        throw .argument(argument)
      }
      return .interruptState(change)
    case .indirectThunk:
      guard argument <= 31 else { throw .argument(argument) }
      return .indirectThunk(register: UInt8(argument))
    case .returnThunk: return .returnThunk
    }
  }

  /// The text at `extra`; without one, the raw identifier that the record itself is named by:
  /// Swift can write no text into a constant.
  private func text(
    _ string: (UInt64) -> String?, _ symbol: (UInt64) -> (name: String, readableName: String)?
  ) throws(Problem) -> String? {
    if extra != 0 {
      guard let text = string(extra) else { throw .unreadableText(extra) }
      return text.isEmpty ? nil : text
    }
    guard let name = symbol(address)?.readableName,
      let start = name.utf8.firstIndex(of: UInt8(ascii: "`"))
    else { return nil }
    // Swift mangles the spaces of raw identifiers as no-break spaces.
    let text = name[name.index(after: start)...].prefix { $0 != "`" }
      .replacing("\u{a0}", with: " ")
    return text.isEmpty ? nil : String(text)
  }

  /// The set's number: `extra`, or `argument` where the language has no room for the former.
  private func set() throws(Problem) -> UInt64 {
    let set = extra == 0 ? UInt64(argument) : extra
    guard set != 0 else { throw .zero("the set's number") }
    return set
  }

  private func lock(
    _ string: (UInt64) -> String?, _ symbol: (UInt64) -> (name: String, readableName: String)?
  ) throws(Problem) -> Annotation.Lock {
    guard argument >> 9 == 0 else { throw .argument(argument) }
    let position = argument & 0xff
    return Annotation.Lock(
      argument: position == 0 ? nil : position - 1, className: try text(string, symbol),
      disablesInterrupts: argument & 0x100 != 0)
  }

  /// The groups that the mask names. A kernel's own mask may have bits of other components.
  private func extendedState() throws(Problem) -> ExtendedState {
    let state = ExtendedState(rawValue: argument)
      .intersection(ExtendedState.allX86.union(.allARM))
    guard !state.isEmpty else { throw .argument(argument) }
    return state
  }

  /// Whether a symbol is that of a function which the Swift compiler puts between a constant and
  /// the function that the source names: an implicit closure in the initialiser of a variable
  /// (`fi`…`fu_`) or a thunk between C and Swift (`TO`, `To`).
  private static func isMadeByCompiler(_ name: String) -> Bool {
    guard name.hasPrefix("$s") || name.hasPrefix("$e") else { return false }
    return name.hasSuffix("TO") || name.hasSuffix("To")
      || name.hasSuffix("_") && name.contains("vpfi") && name.contains("fu")
  }
}
