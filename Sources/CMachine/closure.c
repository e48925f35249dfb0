// Swift's calling convention, which only a compiler knows, and no way in Swift to name the words of
// a closure that must not escape.
#include "closure.h"

typedef __attribute__((swiftcall)) void body(long, __attribute__((swift_context)) const void *);

void apus_call_closure(const void *closure, long number) {
  const struct apus_closure *lent = closure;
  ((body *)lent->function)(number, lent->context);
}

__attribute__((swiftcall)) void apus_run_in_interrupts(
    const void *function, const void *context, uint64_t cpus) {
  const struct apus_closure closure = {function, context};
  apus_cross_call(&closure, cpus);
}

typedef __attribute__((swiftcall)) uint32_t handler(__attribute__((swift_context)) const void *);

uint32_t apus_call_handler(const struct apus_closure *lent) {
  return ((handler *)lent->function)(lent->context);
}

__attribute__((swiftcall)) void *apus_make_interrupt_record(
    const void *function, const void *context) {
  const struct apus_closure closure = {function, context};
  return apus_allocate_interrupt_record(&closure);
}
