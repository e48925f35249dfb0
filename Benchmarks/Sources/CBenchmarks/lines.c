// Lines of memory by which the recording of conflicts is checked.
#include "cbenchmarks.h"

void benchmark_touch_stack(void) {
  char room[64 << 10];
  for (unsigned index = 0; index < sizeof room; index += 4096) {
    room[index] = 0;
    __asm__ volatile("" : : "r"(room) : "memory");
  }
}

#define LINE_SIZE 64
#define WORDS (LINE_SIZE / (long)sizeof(long))

_Alignas(LINE_SIZE) volatile long benchmark_planted_lines[2][WORDS];

void benchmark_write_line(long line, long word) { benchmark_planted_lines[line][word] += 1; }
