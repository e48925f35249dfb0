// Code that uses vector registers: between saving and restoring them, or outside of interrupts.
#include "kernel.h"

static byte vector_state[4096] __attribute__((aligned(64)));

NOINLINE void vector_unit_begin(void) {
#if defined(__x86_64__)
  __asm__ volatile("fxsave64 %0" : "=m"(vector_state));
#else
  __asm__ volatile("stp q0, q1, [%0]" : : "r"(vector_state) : "memory");
#endif
}
ISR_SAVES_EXTENDED(vector_unit_begin, SIMD);
ISR_SAFE(vector_unit_begin);

NOINLINE void vector_unit_end(void) {
#if defined(__x86_64__)
  __asm__ volatile("fxrstor64 %0" : : "m"(vector_state));
#else
  __asm__ volatile("ldp q0, q1, [%0]" : : "r"(vector_state) : "memory");
#endif
}
ISR_RESTORES_EXTENDED(vector_unit_end, SIMD);
ISR_SAFE(vector_unit_end);

NOINLINE word vector_checksum(const byte *bytes, word count) {
  typedef unsigned int lanes __attribute__((vector_size(16), aligned(1), may_alias));
  lanes sums = {0};
  for (word index = 0; index + 16 <= count; index += 16) sums += *(const lanes *)(bytes + index);
  return sums[0] + sums[1] + sums[2] + sums[3];
}
ISR_SAFE(vector_checksum);

#ifdef BUG_FLOAT
ISR_SAFE(load_average);
#endif
NOINLINE word load_average(word ticks) { return (word)(0.25 * (double)ticks); }

#ifdef BUG_READ
NOINLINE void vector_peek(byte *copy) {
#if defined(__x86_64__)
  __asm__ volatile("movups %%xmm0, (%0)" : : "r"(copy) : "memory");
#else
  __asm__ volatile("str q0, [%0]" : : "r"(copy) : "memory");
#endif
}
ISR_SAFE(vector_peek);
#endif
