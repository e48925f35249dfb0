import Locking

/// The class of the locks by which tests keep their own state: above all levels of the kernel.
enum TestLockClass: LockClass {
  typealias Context = ThreadOnly
  typealias Level = NoLevel
  static var name: StaticString { "test" }
}

typealias TestLock<State: ~Copyable> = SpinLock<TestLockClass, State>

/// Classes for tests of the locks themselves.
enum TestClasses {
  enum Output: LockClass {
    typealias Context = ThreadOnly
    typealias Level = OutputLevel
    static var name: StaticString { "output of a test" }
  }

  enum Handlers2: LockClass {
    typealias Context = InterruptSafe
    typealias Level = WaitQueueLevel
    static var name: StaticString { "innermost of a test" }
  }
}
