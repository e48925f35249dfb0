// What an application gets with `import Apus`, beside what this module declares.

@_exported import enum Console.Log
@_exported import struct Console.LogMessage
@_exported import struct Machine.Atomic
@_exported import enum Machine.MonotonicClock
@_exported import struct PerCPU.CPU
@_exported import struct PerCPU.CPUSet
@_exported import struct Scheduler.Semaphore
@_exported import struct Scheduler.Thread
@_exported import enum Scheduler.ThreadError
@_exported import struct Scheduler.Timer
@_exported import struct Synchronization.AtomicLoadOrdering
@_exported import struct Synchronization.AtomicStoreOrdering
@_exported import struct Synchronization.AtomicUpdateOrdering
