import Foundation

/// A file in Chrome's trace event format, as a viewer reads it.
struct TraceFile {
  struct Event: Decodable {
    var ph: String
    var pid: Int
    var tid: Int?
    var ts: Double?
    var dur: Double?
    var name: String
    var cat: String?
    var id: Int?
    var args: [String: String]?

    private enum Key: String, CodingKey { case ph, pid, tid, ts, dur, name, cat, id, args }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Key.self)
      ph = try values.decode(String.self, forKey: .ph)
      pid = try values.decode(Int.self, forKey: .pid)
      tid = try values.decodeIfPresent(Int.self, forKey: .tid)
      ts = try values.decodeIfPresent(Double.self, forKey: .ts)
      dur = try values.decodeIfPresent(Double.self, forKey: .dur)
      name = try values.decode(String.self, forKey: .name)
      cat = try values.decodeIfPresent(String.self, forKey: .cat)
      id = try values.decodeIfPresent(Int.self, forKey: .id)
      // The order of rows is a number.
      args = try? values.decodeIfPresent([String: String].self, forKey: .args)
    }
  }

  private struct Contents: Decodable {
    var traceEvents: [Event]
  }

  let events: [Event]

  init(_ text: String) throws {
    events = try JSONDecoder().decode(Contents.self, from: Data(text.utf8)).traceEvents
  }

  /// What a viewer would stumble over: events out of order, spans of a row that overlap without one lying in the
  /// other, rows without a name, events without one, and arrows with one end.
  var faults: [String] {
    var faults: [String] = []
    let rows = Set(events.filter { $0.name == "thread_name" }.compactMap(\.tid))
    var last = -Double.infinity
    var ends: [Int: [Double]] = [:]
    var arrows: [Int: String] = [:]
    for event in events where event.ph != "M" {
      guard let time = event.ts, let row = event.tid else {
        faults.append("\(event.name) is nowhere")
        continue
      }
      if time < last { faults.append("\(event.name) at \(time) is out of order") }
      last = time
      if !rows.contains(row) { faults.append("the row \(row) has no name") }
      if event.name.isEmpty || event.cat == nil { faults.append("at \(time) is something unnamed") }
      switch event.ph {
      case "X":
        var open = ends[row, default: []]
        // Times are whole nanoseconds.
        let end = time + (event.dur ?? 0)
        while let inner = open.last, inner <= time + 1e-4 { open.removeLast() }
        if let outer = open.last, end > outer + 1e-4 {
          faults.append("\(event.name) at \(time) outlasts what it lies in")
        }
        ends[row] = open + [end]
      case "s", "f": arrows[event.id ?? -1, default: ""] += event.ph
      case "i": break
      default: faults.append("\(event.ph) is unknown")
      }
    }
    for (id, ends) in arrows where ends != "sf" {
      faults.append("the arrow \(id) has ends \(ends)")
    }
    return faults
  }
}
