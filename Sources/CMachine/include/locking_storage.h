// 512 bytes of each CPU's own for the module Locking: zero at first, at a multiple of 64, never freed.
#pragma once
#include <stdint.h>

#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include "cmachine_x86_64.h"

// They lie in the block that GS points to; its third word is its own address.
APUS_INLINE void *_Nonnull apus_locking_storage(void) {
  char *_Nonnull block;
  __asm__ volatile("movq %%gs:16, %0" : "=r"(block));
  return block + APUS_LOCKING_OFFSET;
}
#elif __STDC_HOSTED__ != 0
#include "cmachine_hosted.h"
#include <stdlib.h>
#include <string.h>

// They outlive a thread: the queue of a lock may still refer to them.
static inline void *_Nonnull apus_locking_storage(void) {
  struct apus_simulated_processor *processor = apus_simulated_processor();
  if (processor->locking_storage == NULL) {
    processor->locking_storage = aligned_alloc(64, 512);
    if (processor->locking_storage == NULL) abort();
    memset(processor->locking_storage, 0, 512);
  }
  return processor->locking_storage;
}
#endif

// What checked images count for each class of locks: rows of 16 words, zero at first (locking.c).
#define APUS_LOCK_STATISTICS_ROWS 32
uint64_t *_Nonnull apus_lock_statistics(void);
