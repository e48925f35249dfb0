// The C heap, called as an application in C calls it. An empty loop has the same counters and the
// same stores and loads of pointers; what it lacks is the calls and their arguments.
#include <stddef.h>

#include "cbenchmarks.h"

// A kernel without malloc has what Swift's run-time calls: then that is measured.
void *malloc(size_t size) __attribute__((weak));
int posix_memalign(void **result, size_t alignment, size_t size);
void free(void *block);
size_t malloc_usable_size(void *block);

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void *take_by_malloc(size_t size) { return malloc(size); }

ALWAYS_INLINE void *take_by_memalign(size_t size) {
  void *block;
  return posix_memalign(&block, 16, size) == 0 ? block : NULL;
}

ALWAYS_INLINE void *take_nothing(size_t size) {
  (void)size;
  return NULL;
}

ALWAYS_INLINE void give(void *block) { free(block); }

ALWAYS_INLINE void give_nothing(void *block) { (void)benchmark_opaque((long)block); }

ALWAYS_INLINE void take_all(size_t size, void **blocks, long count, void *take(size_t)) {
  for (long index = 0; index < count; index = benchmark_opaque(index + 1)) {
    blocks[index] = take(size);
  }
}

ALWAYS_INLINE void give_all(void **blocks, long count, void give(void *)) {
  for (long index = 0; index < count; index = benchmark_opaque(index + 1)) {
    give(blocks[index]);
  }
}

ALWAYS_INLINE void pairs(long rounds, size_t size, void *take(size_t), void give(void *)) {
  for (long left = rounds; left > 0; left = benchmark_opaque(left - 1)) {
    give(take(size));
  }
}

ALWAYS_INLINE void batches(long rounds, size_t size, void **blocks, long count,
                           void *take(size_t), void give(void *)) {
  for (long left = rounds; left > 0; left = benchmark_opaque(left - 1)) {
    take_all(size, blocks, count, take);
    give_all(blocks, count, give);
  }
}

void benchmark_block_pair(long rounds, size_t size, int is_empty) {
  if (is_empty) {
    pairs(rounds, size, take_nothing, give_nothing);
  } else if (malloc != NULL) {
    pairs(rounds, size, take_by_malloc, give);
  } else {
    pairs(rounds, size, take_by_memalign, give);
  }
}

void benchmark_block_batch(long rounds, size_t size, void **blocks, long count, int is_empty) {
  if (is_empty) {
    batches(rounds, size, blocks, count, take_nothing, give_nothing);
  } else if (malloc != NULL) {
    batches(rounds, size, blocks, count, take_by_malloc, give);
  } else {
    batches(rounds, size, blocks, count, take_by_memalign, give);
  }
}

void benchmark_take_blocks(size_t size, void **blocks, long count, int is_empty) {
  if (is_empty) {
    take_all(size, blocks, count, take_nothing);
  } else if (malloc != NULL) {
    take_all(size, blocks, count, take_by_malloc);
  } else {
    take_all(size, blocks, count, take_by_memalign);
  }
}

void benchmark_give_blocks(void **blocks, long count, int is_empty) {
  if (is_empty) {
    give_all(blocks, count, give_nothing);
  } else {
    give_all(blocks, count, give);
  }
}

unsigned long benchmark_use_block(size_t size) {
  void *block;
  benchmark_take_blocks(size, &block, 1, 0);
  *(volatile long *)block = 1;
  return (unsigned long)block;
}

void benchmark_leave_block(unsigned long block) { free((void *)block); }

unsigned long benchmark_block_size(unsigned long block) {
  return malloc_usable_size((void *)block);
}
