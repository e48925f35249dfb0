import Shared

@main
struct Z {
  static func main() { Mixture.run() }
}
