#define _GNU_SOURCE
#include "cexploration.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local void (*trap_handler)(void *, int, uint64_t);
static _Thread_local void *trap_context;
static _Thread_local const volatile uint64_t *trap_progress;
static _Thread_local uint64_t progress_seen;
static _Thread_local bool has_timer;
static _Thread_local char signal_stack[64 << 10];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE};
enum { signal_count = sizeof signals / sizeof *signals };
static struct sigaction before[signal_count];

static void let_through(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// Comes with each second of the thread's own time.
static void tick(int number, siginfo_t *information, void *interrupted) {
  (void)information;
  (void)interrupted;
  if (trap_handler == NULL) return;
  uint64_t progress = *trap_progress;
  bool stands = progress == progress_seen;
  progress_seen = progress;
  if (!stands) return;
  let_through(number);
  trap_handler(trap_context, 0, 0);
}

static void trap(int number, siginfo_t *information, void *interrupted) {
  (void)interrupted;
  if (trap_handler != NULL) {
    // The explorer leaves this stack by a switch to another and never comes back, so nothing would
    // let the signal through again.
    let_through(number);
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
  action.sa_sigaction = tick;
  action.sa_flags |= SA_RESTART;
  sigaction(SIGVTALRM, &action, NULL);
}

static void start_timer(void) {
  // Threads of a pool hold back what they do not know.
  let_through(SIGVTALRM);
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGVTALRM;
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  timer_t timer;
  struct itimerspec second = {{1, 0}, {1, 0}};
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
    timer_settime(timer, 0, &second, NULL);
}

void apus_catch_traps(
    void (*handler)(void *, int, uint64_t), void *context, const volatile uint64_t *progress) {
  trap_context = context;
  trap_progress = progress;
  trap_handler = handler;
  if (handler == NULL || has_timer) return;
  has_timer = true;
  pthread_once(&once, install);
  // A stack of its own, since a trap may say that the coroutine's is used up.
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
  start_timer();
}
