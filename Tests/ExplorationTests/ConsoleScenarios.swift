import Console
import Exploration
import Machine

/// `Console/ConsoleDevice.swift`: what one call writes goes out whole, also when a handler logs.
enum ConsoleScenarios {
  static var all: [Scenario] { [lines] }

  static let lines = Scenario("Console/lines") { machine in
    machine.onInterrupt { _ in ConsoleDevice.writeLog(line: "log") }
    for index in 0..<2 {
      let line = index == 0 ? "one\n" : "two\n"
      machine.interrupt(.timer, on: index)
      machine.cpu {
        var text = line
        text.withUTF8 { ConsoleDevice.writeOutput(UnsafeRawBufferPointer($0)) }
      }
    }
    machine.atEnd {
      // On the host both go out by one channel.
      let text = String(decoding: machine.output[.serial] ?? [], as: UTF8.self)
      let lines = text.split(separator: "\n").sorted()
      machine.check(lines == ["log", "log", "one", "two"], "written: \(text)")
    }
  }
}
