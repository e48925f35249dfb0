import Shared

@main
struct A {
  static func main() { Mixture.run() }
}
