// The change from one thread's stack to another's. A stack that is not in use is known by one word.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Leaves the stack in use, stores where in `*from`, and goes on where the stack `to` was left. Returns
// when somebody goes on with this one: on any CPU, so nothing that was read of the CPU before still holds.
void apus_switch_stack(uint64_t *_Nonnull from, uint64_t to);
// The same for a thread that does not give way by itself: another name, since isrcheck permits one of them in
// interrupts and not the other.
#if defined(__x86_64__)
void apus_preempt_stack(uint64_t *_Nonnull from, uint64_t to);
#else
static inline void apus_preempt_stack(uint64_t *_Nonnull from, uint64_t to) {
  apus_switch_stack(from, to);
}
#endif

#if __STDC_HOSTED__ != 0
// ThreadSanitizer takes a stack for a thread of the host's, unless it is told which one goes on: `fiber` is its name
// for a stack, and NULL without it. Not inline: to Swift's importer it is never there.
void *_Nullable apus_make_fiber(void);
void *_Nullable apus_current_fiber(void);
void apus_free_fiber(void *_Nullable fiber);
void apus_switch_fiber(uint64_t *_Nonnull from, uint64_t to, void *_Nullable fiber);
#endif

// The module Scheduler defines this: what the interrupt of the calling CPU's timer is for.
void apus_handle_timer(void);
// And these: what the interrupt is for by which a CPU is told to look; whether the interrupted thread is to
// give way, where it was asked to; and its giving way, on its own stack. The last one returns when it goes on.
void apus_handle_wake(void);
bool apus_preemption_is_due(void);
void apus_preempt(void);
// The module Console defines this: writes out the incomplete line of the running thread, which ends.
void apus_end_output(void);

#if defined(__x86_64__)
void apus_start_stack(void);

// Makes a stack below `top`, a multiple of 16, on which `function(argument)` starts; it never returns.
static inline uint64_t apus_prepare_stack(
    uint64_t top, void (*_Nonnull function)(void *_Nonnull), void *_Nonnull argument) {
  uint64_t *word = (uint64_t *)top;
  *--word = 0;  // keeps the stack at a multiple of 16 where the function is called
  *--word = 0;
  *--word = (uint64_t)(uintptr_t)apus_start_stack;
  *--word = 0;  // rbp
  *--word = 0;  // rbx
  *--word = (uint64_t)(uintptr_t)function;  // r12
  *--word = (uint64_t)(uintptr_t)argument;  // r13
  *--word = 0;  // r14
  *--word = 0;  // r15
  // The control words as the ABI has them at the start of a program: all exceptions masked.
  *--word = (uint64_t)0x037F << 32 | 0x1F80;
  return (uint64_t)(uintptr_t)word;
}
#elif __STDC_HOSTED__ != 0
uint64_t apus_prepare_stack(
    uint64_t top, void (*_Nonnull function)(void *_Nonnull), void *_Nonnull argument);
#endif
