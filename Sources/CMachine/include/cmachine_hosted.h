// What stands in for the processor when the kernel modules run on the host.
//
// Without an explorer one thread plays one simulated CPU, whose state is the thread's own. An
// explorer plays all CPUs on one thread: it exchanges the state when it switches to another CPU,
// and is called before each operation that other CPUs could see or that could see them.
#pragma once
#if !defined(__x86_64__) || __STDC_HOSTED__ != 0
#include <stdbool.h>
#include <stdint.h>
#if __STDC_HOSTED__ != 0
#include <sched.h>
#endif

// What an explorer is called for. `context` is its own.
struct apus_explorer {
  void *_Nonnull context;
  // Before an operation (`SimulatedOperation` of Machine) on `size` bytes at `address`, which is 0
  // for operations that touch no memory.
  void (*_Nonnull step)(void *_Nonnull context, uint8_t operation, uint64_t address, uint8_t size);
  // After an operation that may have written; nothing else ran since its `step`.
  void (*_Nonnull written)(void *_Nonnull context);
  // Makes an interrupt pending on a CPU.
  void (*_Nonnull send)(void *_Nonnull context, uint8_t vector, int64_t index);
  // Takes a byte of text that leaves the machine by a channel (`OutputChannel` of Machine).
  void (*_Nonnull output)(void *_Nonnull context, uint8_t channel, uint8_t byte);
  // Nanoseconds of simulated time.
  uint64_t (*_Nonnull now)(void *_Nonnull context);
  // Asks for a timer interrupt of the current CPU; UINT64_MAX takes the wish back.
  void (*_Nonnull arm_timer)(void *_Nonnull context, uint64_t deadline);
};

struct apus_simulated_processor {
  int64_t index;
  int64_t preemption_count;
  int64_t interrupt_depth;
  uint8_t interrupts_enabled;
  // What the scheduler knows the running thread by.
  void *_Nullable thread;
  // Why it is to give way, or 0.
  uint64_t preemption_request;
  // Set while an explorer plays this thread's CPUs.
  const struct apus_explorer *_Nullable explorer;
  // The simulated memory management unit, if there is one; owned by whoever set it.
  void *_Nullable mmu;
  // Where this thread's simulated physical memory is, if it has one of its own.
  uint64_t memory_base;
  // 512 bytes of the CPU's own for the module Locking; NULL until they are asked for.
  void *_Nullable locking_storage;
};

// Of this thread. A definition of its own, not a static of the function below: there each module
// would have its own.
extern _Thread_local struct apus_simulated_processor apus_processor_of_thread;

static inline struct apus_simulated_processor *_Nonnull apus_simulated_processor(void) {
  return &apus_processor_of_thread;
}

static inline bool apus_is_explored(void) { return apus_processor_of_thread.explorer != 0; }

static inline void apus_explore_step(uint8_t operation, uint64_t address, uint8_t size) {
  const struct apus_explorer *explorer = apus_processor_of_thread.explorer;
  if (__builtin_expect(explorer != 0, 0)) explorer->step(explorer->context, operation, address, size);
}

static inline void apus_explore_written(void) {
  const struct apus_explorer *explorer = apus_processor_of_thread.explorer;
  if (__builtin_expect(explorer != 0, 0)) explorer->written(explorer->context);
}

// The simulated memory management unit's accesses to page tables and memory, which other threads
// may change at the same time.
static inline uint64_t apus_simulated_load(const uint64_t *_Nonnull word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void apus_simulated_store(uint64_t *_Nonnull word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline bool apus_simulated_compare_exchange(
    uint64_t *_Nonnull word, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(
      word, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

// Gives the host's CPU away: there may be more simulated CPUs than real ones.
static inline void apus_pause(void) {
#if __STDC_HOSTED__ != 0
  sched_yield();
#endif
}
#endif
