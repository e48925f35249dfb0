// What stands in for the processor when the kernel modules run on the host: one thread plays one
// simulated CPU, whose state is the thread's own.
#pragma once
#if !defined(__x86_64__) || __STDC_HOSTED__ != 0
#include <stdint.h>
#if __STDC_HOSTED__ != 0
#include <sched.h>
#endif

struct apus_simulated_processor {
  int64_t index;
  int64_t preemption_count;
  int64_t interrupt_depth;
  uint8_t interrupts_enabled;
};

static inline struct apus_simulated_processor *apus_simulated_processor(void) {
  static _Thread_local struct apus_simulated_processor processor = {0, 0, 0, 1};
  return &processor;
}

// Gives the host's CPU away: there may be more simulated CPUs than real ones.
static inline void apus_pause(void) {
#if __STDC_HOSTED__ != 0
  sched_yield();
#endif
}
#endif
