// What stands in for the processor when the kernel modules run on the host: one thread plays one
// simulated CPU, whose state is the thread's own.
#pragma once
#if !defined(__x86_64__) || __STDC_HOSTED__ != 0
#include <stdint.h>

struct apus_simulated_processor {
  int64_t index;
  uint8_t interrupts_enabled;
};

static inline struct apus_simulated_processor *apus_simulated_processor(void) {
  static _Thread_local struct apus_simulated_processor processor = {0, 1};
  return &processor;
}

static inline void apus_pause(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
  __asm__ volatile("yield" ::: "memory");
#endif
}
#endif
