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

uint64_t probe_fault_registers(uint64_t address) {
  uint64_t result;
  __asm__ volatile(
      "pushq %%rbp\n"
      "movq $0x101, %%rbx\n movq $0x102, %%rcx\n movq $0x103, %%rdx\n movq $0x104, %%rsi\n"
      "movq $0x106, %%rbp\n movq $0x108, %%r8\n movq $0x109, %%r9\n movq $0x10a, %%r10\n"
      "movq $0x10b, %%r11\n movq $0x10c, %%r12\n movq $0x10d, %%r13\n movq $0x10e, %%r14\n"
      "movq $0x10f, %%r15\n"
      "stc\n"
      "movq %%rdi, (%%rdi)\n"
      "movl $17, %%eax\n jnc 1f\n"
      "movl $1, %%eax\n cmpq $0x101, %%rbx\n jne 1f\n"
      "movl $2, %%eax\n cmpq $0x102, %%rcx\n jne 1f\n"
      "movl $3, %%eax\n cmpq $0x103, %%rdx\n jne 1f\n"
      "movl $4, %%eax\n cmpq $0x104, %%rsi\n jne 1f\n"
      "movl $5, %%eax\n cmpq %%rdi, (%%rdi)\n jne 1f\n"
      "movl $6, %%eax\n cmpq $0x106, %%rbp\n jne 1f\n"
      "movl $8, %%eax\n cmpq $0x108, %%r8\n jne 1f\n"
      "movl $9, %%eax\n cmpq $0x109, %%r9\n jne 1f\n"
      "movl $10, %%eax\n cmpq $0x10a, %%r10\n jne 1f\n"
      "movl $11, %%eax\n cmpq $0x10b, %%r11\n jne 1f\n"
      "movl $12, %%eax\n cmpq $0x10c, %%r12\n jne 1f\n"
      "movl $13, %%eax\n cmpq $0x10d, %%r13\n jne 1f\n"
      "movl $14, %%eax\n cmpq $0x10e, %%r14\n jne 1f\n"
      "movl $15, %%eax\n cmpq $0x10f, %%r15\n jne 1f\n"
      "xorl %%eax, %%eax\n"
      "1: popq %%rbp\n"
      : "=a"(result), "+D"(address)
      :
      : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return result;
}

__attribute__((noinline)) uint64_t probe_overflow(uint64_t depth) {
  volatile uint64_t room[64];
  room[depth % 64] = depth;
  return probe_overflow(depth + 1) + room[depth % 64];
}

__attribute__((noinline)) uint64_t probe_deep(uint64_t depth, uint64_t value) {
  volatile uint64_t room[28];
  room[depth % 28] = value;
  if (depth == 1) return room[depth % 28];
  uint64_t rest = probe_deep(depth - 1, value);
  return rest + room[depth % 28];
}

// The heap as C sees it. Returns the line of what does not hold, or 0.
#include <stdlib.h>

#define EXPECT(condition)                                                                          \
  if (!(condition)) return __LINE__

static int is_filled(const unsigned char *bytes, size_t count, unsigned char value) {
  for (size_t index = 0; index < count; index++)
    if (bytes[index] != value) return 0;
  return 1;
}

static void fill(unsigned char *bytes, size_t count, unsigned char value) {
  for (size_t index = 0; index < count; index++) bytes[index] = value;
}

uint64_t probe_heap(uint64_t seed) {
  const unsigned char value = (unsigned char)(seed + 1);
  static const size_t sizes[] = {0, 1, 16, 17, 64, 500, 2048, 2049, 4096, 5000, 100000};
  for (size_t turn = 0; turn < sizeof sizes / sizeof sizes[0]; turn++) {
    const size_t size = sizes[turn];
    unsigned char *block = malloc(size);
    EXPECT(block != NULL && (uint64_t)block % 16 == 0);
    const size_t usable = malloc_usable_size(block);
    EXPECT(usable >= size);
    fill(block, usable, value);
    unsigned char *zeros = calloc(size, 1);
    EXPECT(zeros != NULL && is_filled(zeros, size, 0));
    fill(zeros, malloc_usable_size(zeros), 0xFF);
    unsigned char *larger = realloc(block, size * 3 + 100);
    EXPECT(larger != NULL && is_filled(larger, usable < size * 3 + 100 ? usable : size, value));
    unsigned char *smaller = realloc(larger, size / 2);
    EXPECT(smaller != NULL && is_filled(smaller, size / 2, value));
    free(zeros);
    free(smaller);
    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
      void *aligned = NULL;
      EXPECT(posix_memalign(&aligned, alignment, size) == 0);
      EXPECT(aligned != NULL && (uint64_t)aligned % alignment == 0);
      fill(aligned, malloc_usable_size(aligned), value);
      void *other = aligned_alloc(alignment, size);
      EXPECT(other != NULL && other != aligned && (uint64_t)other % alignment == 0);
      free(aligned);
      free(other);
    }
  }
  free(NULL);
  unsigned char *first = realloc(NULL, 10);
  EXPECT(first != NULL);
  free(first);
  // What cannot be had is an error, and the program goes on.
  void *none = &none;
  EXPECT(malloc((size_t)1 << 60) == NULL);
  EXPECT(malloc((size_t)-1) == NULL);
  EXPECT(calloc((size_t)1 << 40, (size_t)1 << 40) == NULL);
  EXPECT(aligned_alloc(24, 100) == NULL);
  EXPECT(posix_memalign(&none, 16, (size_t)1 << 60) == 12 && none == &none);
  EXPECT(posix_memalign(&none, 24, 100) == 22 && posix_memalign(&none, 4, 100) == 22);
  first = malloc(100);
  EXPECT(first != NULL && realloc(first, (size_t)1 << 60) == NULL);
  free(first);
  return 0;
}

uint64_t probe_large_heap(uint64_t seed) {
  const unsigned char value = (unsigned char)(seed + 1);
  static const size_t sizes[] = {(1 << 20) + 1, 2 << 20, 5000000};
  for (size_t turn = 0; turn < sizeof sizes / sizeof sizes[0]; turn++) {
    const size_t size = sizes[turn];
    unsigned char *block = malloc(size);
    EXPECT(block != NULL && (uint64_t)block % 16 == 0);
    const size_t usable = malloc_usable_size(block);
    EXPECT(usable >= size && usable < size + 8192);
    EXPECT(is_filled(block, usable, 0));
    fill(block, usable, value);
    block = realloc(block, usable + 1000000);
    EXPECT(block != NULL && malloc_usable_size(block) >= usable + 1000000);
    EXPECT(is_filled(block, usable, value));
    block = realloc(block, (1 << 20) + 100);
    EXPECT(block != NULL && is_filled(block, (1 << 20) + 100, value));
    EXPECT(malloc_usable_size(block) < (1 << 20) + 8192);
    block = realloc(block, 100);
    EXPECT(block != NULL && is_filled(block, 100, value));
    free(block);
    for (size_t alignment = 64; alignment <= (4 << 20); alignment *= 16) {
      unsigned char *aligned = aligned_alloc(alignment, size);
      EXPECT(aligned != NULL && (uint64_t)aligned % alignment == 0);
      EXPECT(is_filled(aligned, size, 0));
      fill(aligned, malloc_usable_size(aligned), value);
      free(aligned);
    }
  }
  // More than there is, and what fits by its size but not by what is left.
  EXPECT(malloc((size_t)1 << 40) == NULL);
  unsigned char *all[64];
  size_t count = 0;
  while (count < 64 && (all[count] = malloc(16 << 20)) != NULL) count++;
  EXPECT(count > 0);
  EXPECT(count == 64 || realloc(all[0], (size_t)32 << 20) == NULL);
  while (count > 0) free(all[--count]);
  return 0;
}
