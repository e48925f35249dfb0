// The names under which Swift's run-time and applications in C call the heap: Swift code may not
// define them itself.
#include "cmachine.h"
#if __STDC_HOSTED__ == 0

#define ENOMEM 12
#define EINVAL 22

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memset(void *to, int value, size_t count);

// Swift's run-time calls this one, and cannot go on without memory: then the machine ends with a
// message. C code that includes the SDK's <stdlib.h> calls the one below.
int posix_memalign(void **result, size_t alignment, size_t byte_count) {
  *result = apus_heap_allocate(alignment, byte_count);
  return 0;
}

int apus_posix_memalign(void **result, size_t alignment, size_t byte_count) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *block = apus_heap_allocate_aligned(alignment, byte_count);
  if (block == NULL) return ENOMEM;
  *result = block;
  return 0;
}

// One jump each: without it every call would build a frame first.
__attribute__((naked)) void free(void *pointer) { __asm__("jmp apus_heap_free"); }

__attribute__((naked)) void *malloc(size_t byte_count) { __asm__("jmp apus_heap_allocate_block"); }

void *calloc(size_t count, size_t size) {
  size_t byte_count;
  if (__builtin_mul_overflow(count, size, &byte_count)) return NULL;
  void *block = apus_heap_allocate_block(byte_count);
  return block == NULL ? NULL : memset(block, 0, byte_count);
}

void *aligned_alloc(size_t alignment, size_t byte_count) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) return NULL;
  return apus_heap_allocate_aligned(alignment, byte_count);
}

size_t malloc_usable_size(void *pointer) { return apus_heap_usable_size(pointer); }

void *realloc(void *pointer, size_t byte_count) {
  if (pointer == NULL) return apus_heap_allocate_block(byte_count);
  if (apus_heap_resize(pointer, byte_count)) return pointer;
  size_t present = apus_heap_usable_size(pointer);
  void *block = apus_heap_allocate_block(byte_count);
  if (block == NULL) return NULL;
  memcpy(block, pointer, byte_count < present ? byte_count : present);
  apus_heap_free(pointer);
  return block;
}
#endif
