// A Swift closure that is lent for the time of a call, as the two words that it consists of.
//
// Swift itself would put a closure that another CPU is to call into a heap object behind a thunk,
// and count references to it inside the interrupt. Lent this way it stays where it is, and what
// runs in interrupts is known by name: isrcheck follows each closure that is handed to
// `apus_run_in_interrupts` (see interrupts.policy of the SDK).
#pragma once
#include <stdint.h>

struct apus_closure {
  const void *_Nonnull function;
  const void *_Nullable context;
};

// Calls the closure at `closure`, which takes one number.
void apus_call_closure(const void *_Nonnull closure, long number);

// Swift calls this by its name with a closure in place of the first two words, which live until it
// returns. Calls apus_cross_call.
__attribute__((swiftcall)) void apus_run_in_interrupts(
    const void *_Nonnull function, const void *_Nullable context, uint64_t cpus);

// The module Interrupts defines these. The first runs `function(context, cpu)` on a set of CPUs, even
// where they spin with interrupts off, and waits. The second does what others ask of the calling CPU.
void apus_urgent_call(
    void (*_Nonnull function)(const void *_Nonnull context, long cpu), const void *_Nonnull context,
    uint64_t cpus);
void apus_answer_urgent_calls(void);

// The kernel defines this: stops the machine, because a set of CPUs does not answer urgent calls, and says
// where all CPUs are.
_Noreturn void apus_report_silence(uint64_t cpus);

// The module Interrupts defines this too: runs the closure on a set of CPUs, in interrupts, and waits.
void apus_cross_call(const void *_Nonnull closure, uint64_t cpus);

// Calls the handler of a device's interrupt: its one argument, a proof, has no size.
uint32_t apus_call_handler(const struct apus_closure *_Nonnull lent);

// Swift calls this by its name with a handler in place of both words; they live as long as Swift keeps the
// handler. Returns a new record of it, which the module Interrupts makes by the second function.
__attribute__((swiftcall)) void *_Nonnull apus_make_interrupt_record(
    const void *_Nonnull function, const void *_Nullable context);
void *_Nonnull apus_allocate_interrupt_record(const void *_Nonnull closure);

// The kernel defines this: fills in what the firmware says of the lines of devices (`InterruptInputs` of the
// module Interrupts).
void apus_find_interrupt_inputs(void *_Nonnull inputs);

// The module Interrupts defines these: what interrupts of devices lead to, and the call of it.
void apus_set_device_dispatch(void (*_Nonnull function)(uint64_t vector));
void apus_dispatch_device(uint64_t vector);
void apus_handle_device_interrupt(uint64_t vector);
