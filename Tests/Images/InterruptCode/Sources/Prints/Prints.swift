import Apus

/// Text is printed in an interrupt.
@main
struct Prints {
  static func main() {
    CPUSet.online.interrupt { _ in print("in an interrupt") }
  }
}
