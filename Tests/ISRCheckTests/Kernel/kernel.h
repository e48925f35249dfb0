// A kernel of a few hundred lines that nobody boots: what `isrcheck` is tested on.
//
// Interrupts enter in vectors_*.S, and go to `handle_interrupt` and `handle_fault`. As it stands
// the kernel breaks no rule. Each `BUG_` that is defined plants one fault; the function that it is in
// is told by KernelRuleTests.
#ifndef KERNEL_H
#define KERNEL_H

#include "isrcheck.h"

#define VECTORS 40
#define FIRST_INTERRUPT 32
#define INTERRUPTS (VECTORS - FIRST_INTERRUPT)

#ifndef __ASSEMBLER__

#define NOINLINE __attribute__((noinline))

#if defined(__x86_64__)
#define SIMD (ISR_X87 | ISR_SSE | ISR_AVX | ISR_AVX512)
#else
#define SIMD ISR_SIMD
#endif

typedef unsigned char byte;
typedef unsigned long word;

// What the entry code saves of the interrupted program.
struct frame {
  word vector;
  word registers[31];
};

struct lock {
  volatile int held;
};

typedef void (*handler)(void *device);

// interrupts.c
void handle_interrupt(struct frame *frame);
void handle_fault(struct frame *frame);
void register_handler(word number, handler function, void *device);
void end_interrupt(void);
_Noreturn void panic(const char *text);

// locks.c
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);
word lock_acquire_quietly(struct lock *lock);
void lock_release_quietly(struct lock *lock, word flags);

// devices.c
extern struct lock statistics_lock;
extern word statistics[4];
extern void (*idle_hook)(int cpu);
void timer_interrupt(void *device);
void keyboard_interrupt(void *device);
void network_interrupt(void *device);
void disk_interrupt(void *device);
word tree_depth(const word *tree, word node, word limit);

// vectors.c
void vector_unit_begin(void);
void vector_unit_end(void);
void vector_peek(byte *copy);
word vector_checksum(const byte *bytes, word count);
word load_average(word ticks);

// threads.c
void *allocate(word size);
void kernel_main(void);

// The interrupt flag and the ports of this machine that is none.
static inline word interrupts_disable(void) {
  word flags;
#if defined(__x86_64__)
  __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
#else
  __asm__ volatile("mrs %0, daif; msr daifset, #2" : "=r"(flags) : : "memory");
#endif
  return flags;
}

static inline void interrupts_restore(word flags) {
#if defined(__x86_64__)
  __asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
#else
  __asm__ volatile("msr daif, %0" : : "r"(flags) : "memory");
#endif
}

static inline void interrupts_enable(void) {
#if defined(__x86_64__)
  __asm__ volatile("sti" : : : "memory");
#else
  __asm__ volatile("msr daifclr, #2" : : : "memory");
#endif
}

static inline void port_write(word port, word value) {
  *(volatile word *)(0xfee00000 + port * 8) = value;
}

static inline word port_read(word port) { return *(volatile word *)(0xfee00000 + port * 8); }

#endif
#endif
