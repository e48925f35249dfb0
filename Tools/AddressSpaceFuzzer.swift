// What libFuzzer calls: bytes are operations on an address space, see Tests/AddressSpaceCampaign.
// Built by Tools/fuzz-address-space.
import AddressSpaceCampaign
import Foundation

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  if let failure = Campaign.run(bytes) {
    print(Campaign.shorten(failure))
    fflush(nil)
    abort()
  }
  return 0
}

/// The scheduler's part of a timer's interrupt, of which none comes here.
@_cdecl("apus_handle_timer")
public func handleTimer() {}
