import Apus

/// Says hello from every CPU.
@main struct HelloWorld {
  static func main() {
    CPUSet.online.run { cpu in
      Console.write("Hello from CPU \(cpu.index)\n")
    }
    Console.write("\(CPU.count) CPUs said hello\n")
  }
}
