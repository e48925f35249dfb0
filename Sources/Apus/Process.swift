#if hasFeature(Embedded)
import Kernel

/// What the program was started with.
public enum CommandLine {
  /// The program's name, then what stood after `--` on the command line of `apus run`.
  public static var arguments: [String] { Program.arguments }
}

/// The environment, as given by `apus run --env NAME=VALUE`.
public enum Environment {
  /// All variables, in the order given.
  public static var all: [(name: String, value: String)] { Program.environment }

  /// The value of a variable; the last one if it was given more than once.
  public static func value(of name: String) -> String? {
    all.last { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }
}

/// Ends the program and the machine. `apus run` ends with the low 8 bits of `status`.
public func exit(_ status: Int32) -> Never {
  Program.exit(status: status)
}
#endif
