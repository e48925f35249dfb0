import Testing

@testable import ELF

/// Symbols of real images.
@Suite struct FunctionNameTests {
  @Test(arguments: [
    ("memcpy", "memcpy"),
    ("$e4Main3fooyyF", "Main.foo()"),
    (
      "$e2c20059Savesandrestoreseveryregisterall_lEadifiCAIHAshbaAfrEaAEcgbs6UInt32V_ADySvSgXCs6UInt64Vtvp",
      "c2.`Saves,\u{a0}and\u{a0}restores:\u{a0}every\u{a0}register\u{a0}(all)`"
    ),
    ("$s4Main3fooyyxlFSi_Tg5", "Main.foo(_:)"),
    ("$e4Boot9MemoryMapV15usableByteCounts6UInt64Vvg", "Boot.MemoryMap.usableByteCount.getter"),
    (
      "$e6Kernel7CPUWorkO3run2on_y6PerCPU6CPUSetV_yAF0F0VYbXEtFZTf4nnd_n",
      "Kernel.CPUWork.run(on:_:)"
    ),
    (
      "$e6Kernel7CPUWorkO3run2on_y6PerCPU6CPUSetV_yAF0F0VYbXEtFZyyAJYbcXEfU_ySPyyAJYbcGXEfU_ySV_SitcfU_To",
      "closure #1 in closure #1 in closure #1 in Kernel.CPUWork.run(on:_:)"
    ),
    (
      "$e7Endings14writeOnAllCPUs33_3314CAF676294052FB35010F66422B53LLyySiFy6PerCPU0K0VYbXEfU_TA",
      "closure #1 in Endings.writeOnAllCPUs(_:)"
    ),
    (
      "$e7Endings9BehaviourO3runyySaySSGFy6PerCPU0E0VYbXEfU_",
      "closure #1 in Endings.Behaviour.run(_:)"
    ),
    (
      "$e6Kernel9BacktraceO5write33_D3C8FF8964556CCDD53ED8BAE3EFFBC9LL5index_ySi_SutFZTf4nnd_n",
      "Kernel.Backtrace.write(index:_:)"
    ),
    (
      "$e7Machine16ClockCalibrationV11Measurement33_638DFA8A9DEF8D0CD230B520C2BC6B35LLVAFSgycfCTf4d_n",
      "Machine.ClockCalibration.Measurement.init()"
    ),
    (
      "$e7Locking8SpinLockVAARi_zrlE07waitAndC0yyF14PhysicalMemory14FrameAllocatorV5StateV_Tg5",
      "Locking.SpinLock.waitAndLock()"
    ),
    (
      "$e10FileSystem7ArchiveVyACSWAA0C5ErrorVYKcfCTf4nd_n", "FileSystem.Archive.init(_:)"
    ),
    ("$eSaySayxGqd__c7ElementQyd__RszSTRd__lufCSi_SnySiGTt0g5", "Array.init(_:)"),
    (
      "$eSS18_uncheckedFromUTF8_18asciiPreScanResultSSSRys5UInt8VG_SbtFZTf4nnd_nTm",
      "String._uncheckedFromUTF8(_:asciiPreScanResult:)"
    ),
    (
      "$es16TextOutputStreamP4BootE12writeDecimalyys6UInt64VF7Console10LogMessageV_Tg5",
      "TextOutputStream.writeDecimal(_:)"
    ),
    (
      "$eSTsSQ7ElementRpzrlE13elementsEqualySbqd__STRd__AAQyd__ABRSlFSS8UTF8ViewV_AFTg5",
      "Sequence.elementsEqual(_:)"
    ),
    (
      "$eSS9UTF16ViewV14_utf16Distance4from2toSiSS5IndexV_AGtFSiSRys5UInt8VGXEfU_",
      "closure #1 in String.UTF16View._utf16Distance(from:to:)"
    ),
  ])
  func symbols(_ symbol: String, _ name: String) {
    #expect(FunctionName.of(symbol: symbol) == name)
  }

  @Test(arguments: [
    (
      "partial apply forwarder for reabstraction thunk helper from @escaping @callee_guaranteed "
        + "@Sendable (@unowned PerCPU.CPU) -> () to @escaping (@in_guaranteed PerCPU.CPU) -> "
        + "(@out ()) with unmangled suffix \".8\"", "thunk"
    ),
    ("outlined init with copy of [Swift.UInt8]", "outlined init with copy of [UInt8]"),
    (
      "function signature specialization <Arg[2] = [Closure Propagated : $eSrXE, Argument Types : "
        + "[@callee_guaranteed <A, B> (A) -> (B)]> of generic specialization <Swift.Int> of "
        + "(extension in Swift):Swift.MutableCollection< where A: Swift.BidirectionalCollection>"
        + "._insertionSort(within: Swift.Range<A.Index>, by: (A, A) throws -> Swift.Bool) "
        + "throws -> ()", "MutableCollection._insertionSort(within:by:)"
    ),
    (
      "static PerCPU.CPU.== infix(PerCPU.CPU, PerCPU.CPU) -> Swift.Bool",
      "PerCPU.CPU.== infix(_:_:)"
    ),
    ("static Main.A.< infix(Main.A<B>, Main.A<B>) -> Swift.Bool", "Main.A.< infix(_:_:)"),
    ("Main.f(a: [Swift.Int : (b: A, c: B)], _: () -> (d: A, B)) -> ()", "Main.f(a:_:)"),
    ("find #1 (Swift.Slice<A>) -> B in Swift.validateUTF8(C) -> D", "find #1 in validateUTF8(_:)"),
    (
      "Swift.A.subscript.getter : <B where B: Swift.C>(B) -> A.D", "A.subscript.getter"
    ),
    ("", ""), ("(", "("), ("a<", "a<"), ("f(a", "f(a"), ("closure #1", "closure #1"),
    ("generic specialization <A", "generic specialization <A"), ("closure #1 (", "closure #1 ("),
  ])
  func texts(_ text: String, _ name: String) {
    #expect(FunctionName.shortened(text) == name)
  }
}
