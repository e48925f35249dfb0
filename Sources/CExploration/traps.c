#include "cexploration.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

static _Thread_local void (*trap_handler)(void *, int, uint64_t);
static _Thread_local void *trap_context;
static _Thread_local char signal_stack[64 << 10];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE};
enum { signal_count = sizeof signals / sizeof *signals };
static struct sigaction before[signal_count];

static void trap(int number, siginfo_t *information, void *interrupted) {
  (void)interrupted;
  if (trap_handler != NULL) {
    // The explorer leaves this stack by a switch to another and never comes back, so nothing would
    // let the signal through again.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    trap_handler(trap_context, number, (uint64_t)(uintptr_t)information->si_addr);
  }
  // No explorer's: the instruction traps again, now as it would have without this file.
  for (int i = 0; i < signal_count; i++)
    if (signals[i] == number) sigaction(number, &before[i], NULL);
}

static void install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = trap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < signal_count; i++) sigaction(signals[i], &action, &before[i]);
}

void apus_catch_traps(void (*handler)(void *, int, uint64_t), void *context) {
  trap_context = context;
  trap_handler = handler;
  if (handler == NULL) return;
  pthread_once(&once, install);
  // A stack of its own, since a trap may say that the coroutine's is used up.
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
}
