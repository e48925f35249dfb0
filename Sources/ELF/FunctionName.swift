import CHost
import Glibc

/// The name of a function as a backtrace shows it: short enough for a line, and still enough to
/// find the function in the source.
///
/// The demangler's text says all there is: types of arguments and results, generic constraints,
/// hashes of files, and what the optimiser did. Of that a name keeps the path and the labels, as
/// in `Kernel.CPUWork.run(on:_:)`; names of the standard library lose its module.
public enum FunctionName {
  /// The name for a symbol; one that is not Swift's stays as it is.
  public static func of(symbol: String) -> String {
    guard let demangled = swift_demangle(symbol, symbol.utf8.count, nil, nil, 0) else {
      return symbol
    }
    defer { free(demangled) }
    return shortened(String(cString: demangled))
  }

  /// Shortens the demangler's text.
  static func shortened(_ text: String) -> String {
    let text = withoutPrefixes(Substring(text))
    if text.hasPrefix("reabstraction thunk ") { return "thunk" }
    if text.hasPrefix("outlined ") { return String(text.replacing("Swift.", with: "")) }
    if let (name, outer) = splitNested(text) { return "\(name) in \(shortened(String(outer)))" }
    return entity(text)
  }

  /// Cuts off what the optimiser and the compiler did to a function, and what kind of one it is.
  private static func withoutPrefixes(_ name: Substring) -> Substring {
    var name = name
    cut: while true {
      for word in ["partial apply forwarder for ", "merged ", "@objc ", "static "]
      where name.hasPrefix(word) {
        name = name.dropFirst(word.count)
        continue cut
      }
      for kind in ["function signature", "generic", "generic not re-abstracted"]
      where name.hasPrefix("\(kind) specialization <") {
        guard let open = name.firstIndex(of: "<"),
          let rest = after(groupAt: open, of: name), rest.hasPrefix(" of ")
        else { continue }
        name = rest.dropFirst(4)
        continue cut
      }
      return name
    }
  }

  /// Takes a closure or a local function, such as `closure #1 (A) -> () in B.c() -> ()`, apart.
  private static func splitNested(_ text: Substring) -> (name: Substring, outer: Substring)? {
    guard let number = text.firstRange(of: " #"),
      text[..<number.lowerBound].utf8.allSatisfy({ isIdentifier($0) || $0 == UInt8(ascii: " ") })
    else { return nil }
    let digits = text[number.upperBound...].prefix { $0.isNumber }
    var rest = text[digits.endIndex...]
    while let first = rest.first {
      if rest.hasPrefix(" in ") { return (text[..<digits.endIndex], rest.dropFirst(4)) }
      if "(<[".contains(first), let next = after(groupAt: rest.startIndex, of: rest) {
        rest = next
      } else {
        rest = rest.dropFirst()
      }
    }
    return nil
  }

  /// The path of a declaration and the labels of its arguments.
  private static func entity(_ text: Substring) -> String {
    var name = ""
    var rest = text
    while let first = rest.first {
      if rest.hasPrefix(" : ") || rest.hasPrefix(" -> ") { break }
      if first == "(", let next = after(groupAt: rest.startIndex, of: rest) {
        let content = rest[..<next.startIndex].dropFirst().dropLast()
        if content.hasPrefix("extension in ") {
          rest = next.drop { $0 == ":" }
          continue
        }
        guard let discriminator = content.firstRange(of: " in _") else {
          name += labels(content)
          break
        }
        name += content[..<discriminator.lowerBound]
        rest = next
      } else if first == "`", let end = rest.dropFirst().firstIndex(of: "`") {
        // A raw identifier, in which any character stands for itself.
        name += rest[...end]
        rest = rest[end...].dropFirst()
      } else if first == "<", name.last != ".", let next = after(groupAt: rest.startIndex, of: rest)
      {
        rest = next
      } else if first == "." {
        // An operator may follow, whose characters are no brackets.
        let end = rest.dropFirst().drop { "<>=!&|~^?%*/+-.".contains($0) }.startIndex
        name += rest[..<end]
        rest = rest[end...]
      } else {
        name.append(first)
        rest = rest.dropFirst()
      }
    }
    return name.hasPrefix("Swift.") ? String(name.dropFirst(6)) : name
  }

  /// The labels of a list of arguments with their types: `on: A, B` gives `(on:_:)`.
  private static func labels(_ list: Substring) -> String {
    var labels = "("
    var rest = list
    while !rest.isEmpty {
      let label = rest.prefix { $0.utf8.allSatisfy(isIdentifier) }
      labels += rest[label.endIndex...].hasPrefix(": ") ? "\(label):" : "_:"
      while let first = rest.first, first != "," {
        if "(<[".contains(first), let next = after(groupAt: rest.startIndex, of: rest) {
          rest = next
        } else {
          rest = rest.dropFirst()
        }
      }
      rest = rest.dropFirst(2)
    }
    return labels + ")"
  }

  private static func isIdentifier(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xff:
      true
    default: false
    }
  }

  /// What follows the group in brackets that begins at an index, or `nil` when it does not end.
  ///
  /// Only brackets of its own kind count: the demangler does not close all of the others.
  private static func after(groupAt start: Substring.Index, of text: Substring) -> Substring? {
    let open = text[start]
    let close: Character = open == "(" ? ")" : open == "[" ? "]" : ">"
    var depth = 0
    var previous: Character = " "
    for index in text[start...].indices {
      switch text[index] {
      case open: depth += 1
      case ">" where previous == "-": break
      case close:
        depth -= 1
        if depth == 0 { return text[index...].dropFirst() }
      default: break
      }
      previous = text[index]
    }
    return nil
  }
}
