// The operations of `apus bench` on Linux: the only program of a virtual machine, its process 1.
//
// The kernel passes as arguments how often each benchmark is measured, and their names. For each, the
// program does what `Benchmarks` does on Apus: it prints rounds and operations, and passes marks around
// five runs, which the plugin of QEMU counts or times (`Sources/InstructionCounter`). At the end it
// switches the machine off. It is linked statically, so that nothing else has to be in the machine.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MIB (1UL << 20)
#define PAGE 4096UL

// The byte `apus_marks + n` is mark n; the entry is asked for by the plugin, and is nowhere.
__asm__(".text\n"
        ".globl apus_marks, apus_pvh_entry\n"
        "apus_pvh_entry: ret\n"
        "apus_marks: .fill 64, 1, 0xC3\n");
#define MARK(number) __asm__ volatile("call apus_marks + %c0" ::"i"(number) : "memory", "cc")
enum { started = 8, stopped = 9, phase = 10 };

static _Noreturn void fail(const char *what) {
  printf("failed: %s\n", what);
  fflush(stdout);
  reboot(RB_POWER_OFF);
  _exit(1);
}

static void require(bool condition, const char *what) {
  if (!condition) {
    fail(what);
  }
}

// A run that is empty has the loops of one that is not, and costs what is to be subtracted.
struct run {
  long rounds;
  bool is_empty;
};

// A count that the compiler cannot see through.
#define LOOP(count, work)                                                                           \
  for (long left = (count); left != 0;) {                                                           \
    work;                                                                                           \
    left--;                                                                                         \
    __asm__ volatile("" : "+r"(left)::"memory");                                                    \
  }
#define RUN(work)                                                                                   \
  if (run.is_empty) {                                                                               \
    LOOP(run.rounds, )                                                                              \
  } else {                                                                                          \
    LOOP(run.rounds, work)                                                                          \
  }

static void *map(size_t size, int flags) {
  void *address =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  require(address != MAP_FAILED, "mmap");
  return address;
}

// Memory whose pages are small: large ones would make other work of it.
static char *map_small(size_t size) {
  char *address = map(size, 0);
  require(madvise(address, size, MADV_NOHUGEPAGE) == 0, "madvise");
  return address;
}

static void unmap(void *address, size_t size) { require(munmap(address, size) == 0, "munmap"); }

static void touch(char *start, size_t size) {
  for (size_t offset = 0; offset < size; offset += PAGE) {
    *(volatile char *)(start + offset) = 1;
  }
}

// Two areas next to each other that are equal become one: so every second has other permissions.
static void make_areas(void) {
  static bool are_made;
  for (int index = 0; index < 1000 && !are_made; index++) {
    void *address = mmap(NULL, PAGE, index % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(address != MAP_FAILED, "mmap");
  }
  are_made = true;
}

static void nothing(void) {}

// Memory of the C library.

static void malloc_pairs(struct run run, size_t size) {
  RUN({
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block));
    free(block);
  })
}
static void malloc_64(struct run run) { malloc_pairs(run, 64); }
static void malloc_4k(struct run run) { malloc_pairs(run, PAGE); }

static void *blocks[1000];
static void malloc_64_1000(struct run run) {
  RUN({
    for (int index = 0; index < 1000; index++) {
      blocks[index] = malloc(64);
    }
    for (int index = 0; index < 1000; index++) {
      free(blocks[index]);
    }
  })
}

// Mappings.

static void map_unmap_4k(struct run run) { RUN(unmap(map(PAGE, 0), PAGE)) }
static void map_unmap_1m(struct run run) { RUN(unmap(map(MIB, 0), MIB)) }

static void faults(struct run run) {
  size_t size = (size_t)run.rounds * PAGE;
  char *area = map_small(size);
  // What comes before the first fault of a table is not the fault's.
  MARK(started);
  if (run.is_empty) {
    LOOP(run.rounds, )
  } else {
    char *page = area;
    LOOP(run.rounds, {
      *(volatile char *)page = 1;
      page += PAGE;
    })
  }
  MARK(stopped);
  unmap(area, size);
}

static void unmap_40m(struct run run) {
  LOOP(run.rounds, {
    char *area = map_small(40 * MIB);
    touch(area, 40 * MIB);
    MARK(started);
    if (!run.is_empty) {
      unmap(area, 40 * MIB);
    }
    MARK(stopped);
    if (run.is_empty) {
      unmap(area, 40 * MIB);
    }
  })
}

static char *area_1m;
static void make_area_1m(void) {
  area_1m = map_small(MIB);
  touch(area_1m, MIB);
}
static void protect_1m(struct run run) {
  RUN({
    require(mprotect(area_1m, MIB, PROT_READ) == 0, "mprotect");
    require(mprotect(area_1m, MIB, PROT_READ | PROT_WRITE) == 0, "mprotect");
  })
}

static void populate_1m(struct run run) { RUN(unmap(map(MIB, MAP_POPULATE), MIB)) }

// Threads; the machine has one CPU.

static void *return_at_once(void *argument) { return argument; }
static void create_join(struct run run) {
  RUN({
    pthread_t thread;
    require(pthread_create(&thread, NULL, return_at_once, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
  })
}

static void *yield_often(void *argument) {
  struct run run = *(struct run *)argument;
  RUN(sched_yield())
  return NULL;
}
// A round is a yield of each of two threads.
static void yields(struct run run) {
  pthread_t threads[2];
  for (int index = 0; index < 2; index++) {
    require(pthread_create(&threads[index], NULL, yield_often, &run) == 0, "pthread_create");
  }
  for (int index = 0; index < 2; index++) {
    pthread_join(threads[index], NULL);
  }
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void mutex_pairs(struct run run) {
  RUN({
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
  })
}

static sem_t semaphore;
static void make_semaphore(void) { sem_init(&semaphore, 0, 1); }
static void semaphore_pairs(struct run run) {
  RUN({
    sem_wait(&semaphore);
    sem_post(&semaphore);
  })
}

// Two threads wake each other by semaphores, which is by futexes.
static sem_t there, back;
static void make_two_semaphores(void) {
  sem_init(&there, 0, 0);
  sem_init(&back, 0, 0);
}
static void *serve(void *argument) {
  struct run run = *(struct run *)argument;
  RUN({
    sem_wait(&there);
    sem_post(&back);
  })
  return NULL;
}
static void ping_pong(struct run run) {
  pthread_t server;
  require(pthread_create(&server, NULL, serve, &run) == 0, "pthread_create");
  RUN({
    sem_post(&there);
    sem_wait(&back);
  })
  pthread_join(server, NULL);
}

// The same by a byte through each of two pipes.
static int requests[2], answers[2];
static void make_pipes(void) {
  require(pipe(requests) == 0 && pipe(answers) == 0, "pipe");
}
static void *serve_pipe(void *argument) {
  struct run run = *(struct run *)argument;
  char byte;
  RUN({
    require(read(requests[0], &byte, 1) == 1, "read");
    require(write(answers[1], &byte, 1) == 1, "write");
  })
  return NULL;
}
static void pipe_ping_pong(struct run run) {
  pthread_t server;
  char byte = 1;
  require(pthread_create(&server, NULL, serve_pipe, &run) == 0, "pthread_create");
  RUN({
    require(write(requests[1], &byte, 1) == 1, "write");
    require(read(answers[0], &byte, 1) == 1, "read");
  })
  pthread_join(server, NULL);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static void rwlock_pairs(struct run run) {
  RUN({
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
  })
}

static void rwlock_write_pairs(struct run run) {
  RUN({
    pthread_rwlock_wrlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
  })
}

static _Thread_local volatile long local;
static void thread_locals(struct run run) { RUN(local += 1) }

static const struct benchmark {
  const char *name;
  long rounds;
  long operations;
  void (*prepare)(void);
  void (*body)(struct run);
  // The body passes the marks `started` and `stopped` itself.
  bool marks;
} benchmarks[] = {
    {"malloc-64-pair", 10000, 1, nothing, malloc_64, false},
    {"malloc-4k-pair", 10000, 1, nothing, malloc_4k, false},
    {"malloc-64-1000-pair", 50, 1000, nothing, malloc_64_1000, false},
    {"map-unmap-4k", 500, 1, nothing, map_unmap_4k, false},
    {"map-unmap-1m", 500, 1, nothing, map_unmap_1m, false},
    {"fault-zeroed", 2000, 1, nothing, faults, true},
    {"unmap-40m-per-page", 2, 40 * MIB / PAGE, nothing, unmap_40m, true},
    {"protect-1m-pair", 50, 1, make_area_1m, protect_1m, false},
    {"populate-unmap-1m", 20, 1, nothing, populate_1m, false},
    {"yield-pair", 500, 1, nothing, yields, false},
    {"thread-create-join", 200, 1, nothing, create_join, false},
    {"mutex-pair", 10000, 1, nothing, mutex_pairs, false},
    {"semaphore-pair", 10000, 1, make_semaphore, semaphore_pairs, false},
    {"rwlock-read-pair", 10000, 1, nothing, rwlock_pairs, false},
    {"rwlock-write-pair", 10000, 1, nothing, rwlock_write_pairs, false},
    {"thread-local", 10000, 1, nothing, thread_locals, false},
    // A round is a wake-up there and one back.
    {"ping-pong-one-cpu", 1000, 2, make_two_semaphores, ping_pong, false},
    {"channel-ping-pong", 1000, 2, make_pipes, pipe_ping_pong, false},
    // Last, because the areas stay.
    {"map-unmap-4k-1000-areas", 500, 1, make_areas, map_unmap_4k, false},
    {"fault-zeroed-1000-areas", 2000, 1, make_areas, faults, true},
};

__attribute__((noinline)) static void count(const struct benchmark *benchmark, struct run run) {
  MARK(phase);
  if (benchmark->marks) {
    benchmark->body(run);
  } else {
    MARK(started);
    benchmark->body(run);
    MARK(stopped);
  }
}

static void measure(const struct benchmark *benchmark) {
  benchmark->prepare();
  printf("instructions %ld %ld\n", benchmark->rounds, benchmark->operations);
  static const struct {
    int factor;
    bool is_empty;
  } runs[] = {{1, false}, {1, false}, {2, false}, {1, true}, {2, true}};
  for (size_t index = 0; index < sizeof runs / sizeof *runs; index++) {
    count(benchmark, (struct run){benchmark->rounds * runs[index].factor, runs[index].is_empty});
  }
}

static const struct benchmark *find(const char *name) {
  for (size_t index = 0; index < sizeof benchmarks / sizeof *benchmarks; index++) {
    if (strcmp(benchmarks[index].name, name) == 0) {
      return &benchmarks[index];
    }
  }
  printf("%s: ", name);
  fail("there is no such benchmark");
}

int main(int argc, char **argv) {
  require(argc > 1 && atoi(argv[1]) > 0, "no number of repetitions");
  for (int index = 2; index < argc; index++) {
    for (int left = atoi(argv[1]); left > 0; left--) {
      measure(find(argv[index]));
    }
  }
  fflush(stdout);
  reboot(RB_POWER_OFF);
}
