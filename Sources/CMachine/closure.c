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
