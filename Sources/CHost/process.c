#ifdef __linux__

#define _GNU_SOURCE
#include "chost.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { maximum_descriptors = 16 };

// Runs in the child after fork, where only async-signal-safe calls are allowed. Returns only on
// an error, with errno.
static void become(const char *path, char *const arguments[], char *const environment[],
                   const int descriptors[], int count, int *report, pid_t parent) {
  // The death signal is set by the child itself; a parent that ended before is seen afterwards.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (getppid() != parent) _exit(0);

  // First above all targets, so that no dup2 overwrites a descriptor that is still needed.
  int moved[maximum_descriptors];
  for (int n = 0; n < count; n++) {
    moved[n] = fcntl(descriptors[n], F_DUPFD_CLOEXEC, maximum_descriptors);
    if (moved[n] < 0) return;
  }
  *report = fcntl(*report, F_DUPFD_CLOEXEC, maximum_descriptors);
  if (*report < 0) return;
  for (int n = 0; n < count; n++) {
    if (dup2(moved[n], n) < 0) return;
  }
  // Descriptors that this program inherited itself; Linux before 5.11 lets them through.
  syscall(SYS_close_range, (unsigned)count, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);

  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);

  execve(path, arguments, environment);
}

pid_t chost_spawn(const char *path, char *const arguments[], char *const environment[],
                     const int descriptors[], int count, int *process_descriptor) {
  if (count < 0 || count > maximum_descriptors) return -EINVAL;
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;

  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    become(path, arguments, environment, descriptors, count, &report[1], parent);
    int error = errno;
    if (write(report[1], &error, sizeof error) < 0) _exit(126);
    _exit(127);
  }
  int error = child < 0 ? errno : 0;
  close(report[1]);
  if (error == 0) {
    int reported = 0;
    ssize_t size;
    do {
      size = read(report[0], &reported, sizeof reported);
    } while (size < 0 && errno == EINTR);
    if (size == (ssize_t)sizeof reported) error = reported;
  }
  close(report[0]);
  if (error == 0) {
    *process_descriptor = (int)syscall(SYS_pidfd_open, child, 0);
    if (*process_descriptor >= 0) return child;
    error = errno;
    kill(child, SIGKILL);
  }
  if (child > 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  }
  return -error;
}

int chost_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int chost_receive_signals(sigset_t *previous) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  sigset_t set;
  sigemptyset(&set);
  for (unsigned n = 0; n < sizeof numbers / sizeof *numbers; n++) {
    struct sigaction action;
    if (sigaction(numbers[n], NULL, &action) != 0) return -errno;
    if (action.sa_handler != SIG_IGN) sigaddset(&set, numbers[n]);
  }
  int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0) return -errno;
  if (sigprocmask(SIG_BLOCK, &set, previous) != 0) {
    int error = errno;
    close(descriptor);
    return -error;
  }
  return descriptor;
}

int chost_next_signal(int descriptor) {
  struct signalfd_siginfo information;
  if (read(descriptor, &information, sizeof information) != (ssize_t)sizeof information) return 0;
  return (int)information.ssi_signo;
}

void chost_stop_receiving_signals(int descriptor, const sigset_t *previous) {
  close(descriptor);
  sigprocmask(SIG_SETMASK, previous, NULL);
}

#endif
