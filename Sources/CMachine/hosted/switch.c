// The change of stacks on hosts: with ThreadSanitizer, and without `switch.S`.
#include "switch.h"
#if __STDC_HOSTED__ != 0
#if __has_feature(thread_sanitizer)
// Of ThreadSanitizer's run-time library, <sanitizer/tsan_interface.h>.
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

void *apus_make_fiber(void) { return __tsan_create_fiber(0); }

void *apus_current_fiber(void) { return __tsan_get_current_fiber(); }

void apus_free_fiber(void *fiber) { __tsan_destroy_fiber(fiber); }

// Without flags what comes before the switch happens before what comes after it, as on one CPU it does. To another
// CPU a thread is handed over by the lock of a run queue and by nothing here.
void apus_switch_fiber(uint64_t *from, uint64_t to, void *fiber) {
  __tsan_switch_to_fiber(fiber, 0);
  apus_switch_stack(from, to);
}

// Linked in place of `__tsan_external_write` in the tests, see Package.swift. Swift's compiler reports by that each
// change of a field as one of the whole structure, so that two CPUs could not have a field each. What is read and
// written is reported besides.
void __wrap___tsan_external_write(void *address, void *caller, void *tag) {
  (void)address, (void)caller, (void)tag;
}
#else
void *apus_make_fiber(void) { return 0; }
void *apus_current_fiber(void) { return 0; }
void apus_free_fiber(void *fiber) { (void)fiber; }
void apus_switch_fiber(uint64_t *from, uint64_t to, void *fiber) {
  (void)fiber;
  apus_switch_stack(from, to);
}
#endif
#endif

#if __STDC_HOSTED__ != 0 && !defined(__x86_64__)
#include <stdlib.h>
#include <ucontext.h>

void apus_switch_stack(uint64_t *from, uint64_t to) {
  ucontext_t context;
  *from = (uint64_t)(uintptr_t)&context;
  swapcontext(&context, (ucontext_t *)(uintptr_t)to);
}

struct start {
  ucontext_t context;
  void (*function)(void *);
  void *argument;
};

static void begin(unsigned high, unsigned low) {
  struct start *start = (struct start *)(uintptr_t)((uint64_t)high << 32 | low);
  start->function(start->argument);
  abort();
}

uint64_t apus_prepare_stack(uint64_t top, void (*function)(void *), void *argument) {
  struct start *start = (struct start *)(uintptr_t)(top - sizeof(struct start) & ~(uint64_t)63);
  uint64_t address = (uint64_t)(uintptr_t)start;
  start->function = function;
  start->argument = argument;
  getcontext(&start->context);
  // The least that a thread's stack has below what it begins with.
  start->context.uc_stack.ss_size = 2048;
  start->context.uc_stack.ss_sp = (char *)start - 2048;
  start->context.uc_link = NULL;
  makecontext(
      &start->context, (void (*)(void))begin, 2, (unsigned)(address >> 32), (unsigned)address);
  return address;
}
#endif
