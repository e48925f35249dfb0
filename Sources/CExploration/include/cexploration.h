// Coroutines, and traps as results: what an explorer of schedules needs of the host.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A stack on which code runs that is left and continued at will.
struct apus_coroutine;

// A coroutine with a stack of its own, guarded at its lower end, that runs nothing yet.
struct apus_coroutine *_Nullable apus_coroutine_create(size_t stack_size);

// Gives the stack back. What was left on it is lost.
void apus_coroutine_destroy(struct apus_coroutine *_Nonnull coroutine);

// Lets the coroutine start anew with `entry(argument)`, which never returns.
void apus_coroutine_prepare(
    struct apus_coroutine *_Nonnull coroutine, void (*_Nonnull entry)(void *_Nullable),
    void *_Nullable argument);

// The coroutine that stands for the caller of all others, of this thread.
struct apus_coroutine *_Nonnull apus_coroutine_of_thread(void);

// Leaves `from`, which must be the one that runs, and continues `to`.
void apus_coroutine_switch(
    struct apus_coroutine *_Nonnull from, struct apus_coroutine *_Nonnull to);

// From now on a trap of this thread (a failed check of Swift's, a bad access to memory) calls
// `handler` on a stack for signals, with the signal's number and the address. It leaves that stack
// by a switch; where it returns, the trap is nobody's and ends the process as usual. When `*progress`
// stands still for two seconds of the thread's own time, that is a trap too, with number 0. A `handler`
// of NULL ends all of this.
void apus_catch_traps(
    void (*_Nullable handler)(void *_Nullable context, int signal, uint64_t address),
    void *_Nullable context, const volatile uint64_t *_Nullable progress);

// The return addresses of the callers, nearest first; returns how many.
int apus_callers(void *_Nullable *_Nonnull addresses, int count);

// Where this program's file begins in memory: what is to be taken from an address to find it there.
uint64_t apus_image_base(void);
