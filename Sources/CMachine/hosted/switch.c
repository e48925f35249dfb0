// The change of stacks on hosts for which `switch.S` has none.
#include "switch.h"
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
