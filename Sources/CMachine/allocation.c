// The names under which Swift's run-time calls the heap: Swift code may not define them itself.
#include "cmachine.h"
#if __STDC_HOSTED__ == 0

int posix_memalign(void **result, size_t alignment, size_t byte_count) {
  *result = apus_heap_allocate(alignment, byte_count);
  return 0;
}

void free(void *pointer) { apus_heap_free(pointer); }
#endif
