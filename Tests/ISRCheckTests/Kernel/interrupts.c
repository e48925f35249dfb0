// The way from the entry code to the handlers of devices.
#include "kernel.h"

static struct {
  handler function;
  void *device;
} handlers[INTERRUPTS];

static word interrupt_counts[INTERRUPTS];

void register_handler(word number, handler function, void *device) {
  word flags = interrupts_disable();
  handlers[number % INTERRUPTS].device = device;
  handlers[number % INTERRUPTS].function = function;
  interrupts_restore(flags);
}
// Handlers are called by `dispatch` alone, so they are no roots of their own.
ISR_REGISTERS_HANDLER(register_handler, 1, handlers);

static NOINLINE void dispatch(word number) {
  handler function = handlers[number].function;
  interrupt_counts[number]++;
  if (function) function(handlers[number].device);
}
ISR_CALLS_MEMBERS(dispatch, handlers);
ISR_SAFE(dispatch);

NOINLINE void end_interrupt(void) { port_write(11, 0); }
ISR_SAFE(end_interrupt);

NOINLINE _Noreturn void panic(const char *text) {
  // Floating point and a heap are fine here: nobody goes on.
  word *copy = allocate(64);
  *copy = load_average((byte)*text);
  for (;;) {
  }
}
ISR_FATAL(panic);

void handle_interrupt(struct frame *frame) {
  word number = frame->vector - FIRST_INTERRUPT;
  if (number >= INTERRUPTS) panic("vector");
  dispatch(number);
  end_interrupt();
}
ISR_ROOT(handle_interrupt, 0, ISR_NO_VECTOR);
ISR_STACK(handle_interrupt, 4096, 1);

// A tree that is at most as deep as a word has bits.
NOINLINE word tree_depth(const word *tree, word node, word limit) {
  if (node >= limit) return 0;
  word left = tree_depth(tree, 2 * node + 1, limit) + tree[node];
  word right = tree_depth(tree, 2 * node + 2, limit);
  return (left > right ? left : right) + 1;
}
ISR_RECURSION(tree_depth, 8);
ISR_SAFE(tree_depth);

void handle_fault(struct frame *frame) {
  static word tree[64];
  if (frame->vector == 2) return;
  if (frame->vector != 14) panic("fault");
  statistics[0] = tree_depth(tree, 0, 64);
}
ISR_ROOT(handle_fault, 1, ISR_NO_VECTOR);
ISR_STACK(handle_fault, 4096, 1);

#ifdef BUG_VECTOR
// Entered by a vector, and declared by nobody.
void handle_stray(struct frame *frame) { statistics[1] = frame->vector; }
ISR_SAFE(handle_stray);
#endif
