// What runs with interrupts on.
#include "kernel.h"

static byte heap[65536];
static word heap_used;
static struct lock heap_lock;

NOINLINE void *allocate(word size) {
  lock_acquire(&heap_lock);
  void *memory = &heap[heap_used & 4095];
  heap_used += size;
  lock_release(&heap_lock);
  return memory;
}
ISR_DENIED(allocate, ISR_ALLOCATES, "takes the heap's lock");

static NOINLINE word read_statistics(word index) {
#ifdef BUG_LOCK
  lock_acquire(&statistics_lock);
  word value = statistics[index];
  lock_release(&statistics_lock);
#else
  word flags = lock_acquire_quietly(&statistics_lock);
  word value = statistics[index];
  lock_release_quietly(&statistics_lock, flags);
#endif
  return value;
}

static NOINLINE void idle_long(int cpu) {
  for (int turn = 0; turn < cpu; turn++) port_write(12, (word)turn);
}
// Of the type that `idle_hook` calls, so that KCFI counts it in.
ISR_SAFE(idle_long);

static NOINLINE void set_idle(int cpu) {
  if (cpu) idle_hook = idle_long;
}

// Calls itself, as code outside of interrupts may.
static NOINLINE word fibonacci(word number) {
  if (number < 2) return number;
  word before = fibonacci(number - 1);
  return before + fibonacci(number - 2) * 3;
}

static NOINLINE word average_of_statistics(void) {
  word sum = 0;
  for (word index = 0; index < 4; index++) sum += read_statistics(index);
  sum += fibonacci(sum & 15);
  return sum + load_average(sum);
}

void kernel_main(void) {
  register_handler(0, timer_interrupt, allocate(64));
  register_handler(1, keyboard_interrupt, allocate(64));
  register_handler(2, network_interrupt, allocate(2048));
  register_handler(3, disk_interrupt, allocate(512));
  interrupts_enable();
  for (;;) {
    word average = average_of_statistics();
    byte *scratch = __builtin_alloca(average & 255);
    *(volatile byte *)scratch = (byte)average;
    set_idle((int)average);
    idle_hook((int)average);
  }
}
