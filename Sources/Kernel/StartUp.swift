#if hasFeature(Embedded)
import ACPI
import Boot
import CMachine
import Console
import Heap
import Interrupts
import Machine
import PerCPU
import PhysicalMemory
import Scheduler
import VirtualMemory

/// The start-up sequence, on the boot CPU, on the image's own small stack.
///
/// Nothing here may be initialised lazily: what this function has set up is constant, or guarded,
/// when the other CPUs start.
@c(apus_boot)
public func boot(_ startInfoAddress: UInt64) {
  let clock = Processor.prepareMachine()
  ConsoleDevice.configure()

  let memory = IdentityMappedMemory()
  let startInfo: StartInfo
  var map: MemoryMap
  do throws(StartInfoError) {
    startInfo = try StartInfo(at: startInfoAddress, in: memory)
  } catch {
    StartUpFailure.stop("\(error)")
  }
  do throws(MemoryMapError) {
    map = try MemoryMap(startInfo, in: memory)
  } catch {
    StartUpFailure.stop("\(error)")
  }
  let options: BootOptions
  do throws(KernelCommandLineError) {
    let line = try KernelCommandLine(at: startInfo.commandLineAddress, in: memory)
    Program.adopt(line)
    options = BootOptions(line)
  } catch {
    StartUpFailure.stop("\(error)")
  }

  let layout = BootMemory.take(&map, startInfo, memory)
  let root = RootTable.locate(rsdpHint: startInfo.rsdpAddress, in: memory)
  if !ConsoleDevice.isLogApart { findSleepRegister(root, memory) }
  let topology = CPUTopology.discover(root: root, in: memory)
  InterruptTables.remember(topology)
  BootMemory.restrictAddressSpace()
  let processors = Processors(topology, options, memory)
  processors.configureBootCPU()

  let calibration = Processor.calibrateClock(since: clock, scratch: layout.scratchPage)
  // The other CPUs come while this one goes on.
  let others = processors.startOthers(layout)
  Log.info(
    "clock \(calibration.timestampFrequency / 1000) kHz by \(calibration.source.name), timer \(calibration.timerFrequency / 1000) kHz"
  )
  InitialFiles.adopt(startInfo, memory)
  guard let stack = try? Stack.allocate(byteCount: mainStackSize, named: "main") else {
    StartUpFailure.stop("too little memory for the application's stack: give it more")
  }
  processors.waitUntilOnline(others)

  CPUWork.setStackSize(workStackSize)
  let found = UInt64(processors.foundCount)
  Thread.start(
    on: UnsafeMutableRawBufferPointer(start: stack.bottom, count: stack.byteCount)
  ) { Program.run(found: found) }
  Idle.run()
}

/// Bytes of stack for `main`, and for each piece of work on other CPUs: what is used of it takes memory.
private let mainStackSize = 8 << 20
private let workStackSize = 1 << 20

/// Finds out how ACPI switches the machine off. Only for a VMM that was not started by `apus`:
/// that one shows itself by the debug console, and gives the machine a device to end it.
private func findSleepRegister(
  _ root: Result<RootTable, FirmwareTableError>, _ memory: IdentityMappedMemory
) {
  switch (try? FADT.locate(root: root, in: memory))?.sleepControl {
  case .port(let port): PowerControl.setSleepRegister(port: port, value: FADT.softOff)
  case .memory(let address) where address < BootMemory.mappedAtStart:
    PowerControl.setSleepRegister(address: address, value: FADT.softOff)
  default: break
  }
}
#endif
