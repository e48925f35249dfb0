import Foundation

/// Finds what breaks the rules of SARIF 2.1.0, as far as this tool writes it: required properties,
/// their types and values, names that do not exist, and indices outside of their arrays.
struct SARIFValidator {
  private(set) var errors: [String] = []
  private var ruleIDs: [String] = []
  private var artifactURIs: [String] = []
  private var bases: Set<String> = []

  /// What is wrong with a log, each with its place.
  static func errors(in text: String) -> [String] {
    var validator = Self()
    guard let log = try? JSONSerialization.jsonObject(with: Data(text.utf8)) else {
      return ["no JSON"]
    }
    validator.check(log: log)
    return validator.errors
  }

  private enum Kind { case string, text, integer, array, object }

  private mutating func fail(_ path: String, _ problem: String) {
    errors.append("\(path): \(problem)")
  }

  /// The properties of an object, all known, with those that are required.
  private mutating func object(
    _ value: Any?, _ path: String, required: [String: Kind], optional: [String: Kind] = [:]
  ) -> [String: Any] {
    guard let object = value as? [String: Any] else {
      fail(path, "no object")
      return [:]
    }
    for name in required.keys.sorted() where object[name] == nil { fail(path, "lacks \(name)") }
    for (name, value) in object.sorted(by: { $0.key < $1.key }) {
      guard let kind = required[name] ?? optional[name] else {
        fail(path, "unknown \(name)")
        continue
      }
      let fits =
        switch kind {
        case .string: value is String
        case .text: (value as? String).map { !$0.isEmpty } ?? false
        case .integer: value is Int && !(value is String)
        case .array: value is [Any]
        case .object: value is [String: Any]
        }
      if !fits { fail("\(path).\(name)", "no \(kind)") }
    }
    return object
  }

  private func elements(_ object: [String: Any], _ name: String) -> [(Int, Any)] {
    Array(((object[name] as? [Any]) ?? []).enumerated()).map { ($0.offset, $0.element) }
  }

  private mutating func check(log value: Any) {
    let log = object(
      value, "$", required: ["$schema": .text, "version": .text, "runs": .array])
    if log["version"] as? String != "2.1.0" { fail("$.version", "not 2.1.0") }
    for (index, run) in elements(log, "runs") { check(run: run, "$.runs[\(index)]") }
  }

  private mutating func check(run value: Any, _ path: String) {
    let run = object(
      value, path, required: ["tool": .object],
      optional: [
        "results": .array, "artifacts": .array, "originalUriBaseIds": .object,
        "columnKind": .text,
      ])
    if let kind = run["columnKind"] as? String,
      !["utf16CodeUnits", "unicodeCodePoints"].contains(kind)
    {
      fail(path, "columnKind \(kind)")
    }
    bases = Set((run["originalUriBaseIds"] as? [String: Any] ?? [:]).keys)
    let tool = object(run["tool"], "\(path).tool", required: ["driver": .object])
    let driver = object(
      tool["driver"], "\(path).tool.driver", required: ["name": .text],
      optional: ["semanticVersion": .text, "rules": .array])
    for (index, rule) in elements(driver, "rules") {
      check(rule: rule, "\(path).rules[\(index)]")
    }
    if Set(ruleIDs).count != ruleIDs.count { fail(path, "two rules with one id") }
    for (index, artifact) in elements(run, "artifacts") {
      let place = "\(path).artifacts[\(index)]"
      let artifact = object(artifact, place, required: ["location": .object])
      artifactURIs.append(uri(artifact["location"], "\(place).location"))
    }
    for (index, result) in elements(run, "results") {
      check(result: result, "\(path).results[\(index)]")
    }
  }

  private mutating func check(rule value: Any, _ path: String) {
    let rule = object(
      value, path, required: ["id": .text],
      optional: [
        "name": .text, "shortDescription": .object, "fullDescription": .object, "help": .object,
        "defaultConfiguration": .object,
      ])
    ruleIDs.append(rule["id"] as? String ?? "")
    for name in ["shortDescription", "fullDescription", "help"] {
      _ = object(rule[name], "\(path).\(name)", required: ["text": .text])
    }
    let configuration = object(
      rule["defaultConfiguration"], "\(path).defaultConfiguration", required: ["level": .text])
    check(level: configuration["level"], path)
  }

  private mutating func check(level: Any?, _ path: String) {
    if !["none", "note", "warning", "error"].contains(level as? String ?? "") {
      fail(path, "level \(level ?? "missing")")
    }
  }

  private mutating func check(result value: Any, _ path: String) {
    let result = object(
      value, path,
      required: [
        "ruleId": .text, "ruleIndex": .integer, "level": .text, "message": .object,
        "locations": .array, "partialFingerprints": .object,
      ], optional: ["codeFlows": .array, "baselineState": .text])
    _ = object(result["message"], "\(path).message", required: ["text": .text])
    check(level: result["level"], path)
    let index = result["ruleIndex"] as? Int ?? -1
    if !ruleIDs.indices.contains(index) || ruleIDs[index] != result["ruleId"] as? String {
      fail(path, "ruleIndex \(index) is not the rule's")
    }
    if let state = result["baselineState"] as? String,
      !["new", "unchanged", "updated", "absent"].contains(state)
    {
      fail(path, "baselineState \(state)")
    }
    for (name, value) in result["partialFingerprints"] as? [String: Any] ?? [:]
    where !(value is String) {
      fail(path, "fingerprint \(name) is no text")
    }
    if elements(result, "locations").isEmpty { fail(path, "no location") }
    for (index, location) in elements(result, "locations") {
      check(location: location, "\(path).locations[\(index)]")
    }
    for (index, flow) in elements(result, "codeFlows") {
      check(flow: flow, "\(path).codeFlows[\(index)]")
    }
  }

  private mutating func check(flow value: Any, _ path: String) {
    let flow = object(value, path, required: ["threadFlows": .array])
    if elements(flow, "threadFlows").isEmpty { fail(path, "no thread flow") }
    for (index, thread) in elements(flow, "threadFlows") {
      let path = "\(path).threadFlows[\(index)]"
      let thread = object(thread, path, required: ["locations": .array])
      if elements(thread, "locations").isEmpty { fail(path, "no location") }
      for (index, step) in elements(thread, "locations") {
        let path = "\(path).locations[\(index)]"
        let step = object(
          step, path, required: ["location": .object], optional: ["nestingLevel": .integer])
        if let level = step["nestingLevel"] as? Int, level < 0 { fail(path, "level \(level)") }
        check(location: step["location"], "\(path).location")
      }
    }
  }

  private mutating func check(location value: Any?, _ path: String) {
    let location = object(
      value, path, required: ["physicalLocation": .object],
      optional: ["logicalLocations": .array, "message": .object])
    if let message = location["message"] {
      _ = object(message, "\(path).message", required: ["text": .text])
    }
    for (index, logical) in elements(location, "logicalLocations") {
      _ = object(
        logical, "\(path).logicalLocations[\(index)]", required: ["name": .text],
        optional: ["decoratedName": .text, "kind": .text])
    }
    let physical = object(
      location["physicalLocation"], "\(path).physicalLocation",
      required: ["artifactLocation": .object],
      optional: ["region": .object, "address": .object])
    let uri = uri(physical["artifactLocation"], "\(path).artifactLocation")
    let index = (physical["artifactLocation"] as? [String: Any])?["index"] as? Int ?? -1
    if !artifactURIs.indices.contains(index) || artifactURIs[index] != uri {
      fail(path, "artifact \(index) is not \(uri)")
    }
    if let region = physical["region"] {
      let region = object(
        region, "\(path).region", required: ["startLine": .integer],
        optional: ["startColumn": .integer])
      for (name, number) in region where (number as? Int ?? 0) < 1 {
        fail(path, "\(name) below 1")
      }
    }
    if let address = physical["address"] {
      _ = object(
        address, "\(path).address", required: ["absoluteAddress": .integer],
        optional: ["kind": .text])
    }
  }

  /// The URI of an artifact location, which must be one (RFC 3986).
  private mutating func uri(_ value: Any?, _ path: String) -> String {
    let location = object(
      value, path, required: ["uri": .text],
      optional: ["uriBaseId": .text, "index": .integer])
    let uri = location["uri"] as? String ?? ""
    if uri.contains(/[^A-Za-z0-9\-._~:\/?#\[\]@!$&'()*+,;=%]/) || uri.contains(/%(?![0-9A-F]{2})/) {
      fail(path, "no URI: \(uri)")
    }
    if let base = location["uriBaseId"] as? String {
      if !bases.contains(base) { fail(path, "unknown base \(base)") }
      if uri.contains(":") || uri.hasPrefix("/") { fail(path, "absolute URI with a base") }
    } else if !uri.hasPrefix("file:///") {
      fail(path, "relative URI without a base: \(uri)")
    }
    return uri
  }
}
