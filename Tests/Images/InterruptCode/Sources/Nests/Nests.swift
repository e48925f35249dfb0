import Apus

/// In an interrupt other CPUs are waited for.
@main
struct Nests {
  static func main() {
    CPUSet.online.interrupt { _ in
      CPUSet.online.interrupt { _ in }
    }
  }
}
