// What benchmarks need of C: loops that the compiler leaves alone, and the heap as C calls it.
#pragma once
#include <stdint.h>

// The same number, of which the compiler knows nothing any more: no instruction.
static inline __attribute__((always_inline)) long benchmark_opaque(long value) {
  __asm__ volatile("" : "+r"(value));
  return value;
}

// A place that the compiler moves no access to memory across: no instruction.
static inline __attribute__((always_inline)) void benchmark_barrier(void) {
  __asm__ volatile("" : : : "memory");
}

// Begins and ends to count and record in an interrupt: marks whose places are in the code, because an
// interrupt may not go by an address that is computed. The window is 30.
static inline __attribute__((always_inline)) void benchmark_enter_window_of_all(void) {
  __asm__ volatile("call apus_marks + 8\n\tcall apus_marks + 62" : : : "memory");
}
static inline __attribute__((always_inline)) void benchmark_leave_window_of_all(void) {
  __asm__ volatile("call apus_marks + 63\n\tcall apus_marks + 9" : : : "memory");
}

// Each of these does its work `rounds` times, or only the loop around it where `is_empty`.

// Takes a block of `size` bytes and gives it back.
void benchmark_block_pair(long rounds, unsigned long size, int is_empty);
// Takes `count` blocks into `blocks`, then gives them back in the same order.
void benchmark_block_batch(long rounds, unsigned long size, void *_Nullable *_Nonnull blocks,
                           long count, int is_empty);
// The two halves of a round of the latter.
void benchmark_take_blocks(unsigned long size, void *_Nullable *_Nonnull blocks, long count,
                           int is_empty);
void benchmark_give_blocks(void *_Nullable *_Nonnull blocks, long count, int is_empty);

// Takes a block and writes to it; gives it back.
unsigned long benchmark_use_block(unsigned long size);
void benchmark_leave_block(unsigned long block);
// The bytes of a block of the heap that may be used.
unsigned long benchmark_block_size(unsigned long block);

// Writes a word of one of two lines of memory that nobody else uses.
void benchmark_write_line(long line, long word);

// Touches 64 KiB of stack, whose memory comes with the first access and stays.
void benchmark_touch_stack(void);
