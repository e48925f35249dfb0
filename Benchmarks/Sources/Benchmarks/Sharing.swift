import Apus

/// Work of several CPUs, each for itself, whose accesses to memory are recorded.
struct Sharing {
  func run() {}
}
