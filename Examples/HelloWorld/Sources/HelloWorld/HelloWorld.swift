import Apus

@main
struct HelloWorld {
  static func main() {
    CPUSet.online.run { cpu in
      print("Hello from CPU \(cpu.index) of \(CPU.count)")
    }
  }
}
