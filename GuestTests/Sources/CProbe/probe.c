#include "probe.h"

static const uint64_t constant = 42;

uint64_t probe_code_address(void) { return (uint64_t)&probe_code_address; }
uint64_t probe_constant_address(void) { return (uint64_t)&constant; }

void probe_count(const void *counter, long cpu) {
  (void)cpu;
  __atomic_fetch_add((uint64_t *)counter, 1, __ATOMIC_RELAXED);
}

uint64_t probe_vectors_survive(uint64_t seed, uint64_t turns) {
  uint64_t differences;
  __asm__ volatile(
      "movq %1, %%xmm0\n punpcklqdq %%xmm0, %%xmm0\n"
      "movdqa %%xmm0, %%xmm1\n movdqa %%xmm0, %%xmm2\n movdqa %%xmm0, %%xmm3\n"
      "movdqa %%xmm0, %%xmm4\n movdqa %%xmm0, %%xmm5\n movdqa %%xmm0, %%xmm6\n"
      "movdqa %%xmm0, %%xmm7\n movdqa %%xmm0, %%xmm8\n movdqa %%xmm0, %%xmm9\n"
      "movdqa %%xmm0, %%xmm10\n movdqa %%xmm0, %%xmm11\n movdqa %%xmm0, %%xmm12\n"
      "movdqa %%xmm0, %%xmm13\n movdqa %%xmm0, %%xmm14\n movdqa %%xmm0, %%xmm15\n"
      "1: pause\n dec %2\n jnz 1b\n"
      "pxor %%xmm0, %%xmm1\n pxor %%xmm0, %%xmm2\n pxor %%xmm0, %%xmm3\n"
      "pxor %%xmm0, %%xmm4\n pxor %%xmm0, %%xmm5\n pxor %%xmm0, %%xmm6\n"
      "pxor %%xmm0, %%xmm7\n pxor %%xmm0, %%xmm8\n pxor %%xmm0, %%xmm9\n"
      "pxor %%xmm0, %%xmm10\n pxor %%xmm0, %%xmm11\n pxor %%xmm0, %%xmm12\n"
      "pxor %%xmm0, %%xmm13\n pxor %%xmm0, %%xmm14\n pxor %%xmm0, %%xmm15\n"
      "por %%xmm2, %%xmm1\n por %%xmm3, %%xmm1\n por %%xmm4, %%xmm1\n"
      "por %%xmm5, %%xmm1\n por %%xmm6, %%xmm1\n por %%xmm7, %%xmm1\n"
      "por %%xmm8, %%xmm1\n por %%xmm9, %%xmm1\n por %%xmm10, %%xmm1\n"
      "por %%xmm11, %%xmm1\n por %%xmm12, %%xmm1\n por %%xmm13, %%xmm1\n"
      "por %%xmm14, %%xmm1\n por %%xmm15, %%xmm1\n"
      "movq %%xmm0, %0\n"
      "movq %1, %%rax\n xorq %%rax, %0\n"
      "movq %%xmm1, %%rax\n orq %%rax, %0\n"
      : "=&r"(differences), "+r"(seed), "+r"(turns)
      :
      : "rax", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  return differences == 0;
}

__attribute__((noinline)) uint64_t probe_overflow(uint64_t depth) {
  volatile uint64_t room[64];
  room[depth % 64] = depth;
  return probe_overflow(depth + 1) + room[depth % 64];
}
