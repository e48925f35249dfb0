// memcpy, memmove, memset and memcmp, which the compiler calls by itself.
//
// Short blocks by overlapping words, long ones by string instructions in words of 8 bytes: few
// instructions, no vector register, no alignment to care for.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include <stddef.h>
#include <stdint.h>

typedef uint64_t __attribute__((aligned(1), may_alias)) word;
typedef uint32_t __attribute__((aligned(1), may_alias)) half;
typedef uint16_t __attribute__((aligned(1), may_alias)) quarter;

// At most 16 bytes: everything is loaded before anything is stored, so overlap is harmless.
static inline void move_short(uint8_t *to, const uint8_t *from, size_t count) {
  if (count >= 8) {
    uint64_t first = *(const word *)from, last = *(const word *)(from + count - 8);
    *(word *)to = first;
    *(word *)(to + count - 8) = last;
  } else if (count >= 4) {
    uint32_t first = *(const half *)from, last = *(const half *)(from + count - 4);
    *(half *)to = first;
    *(half *)(to + count - 4) = last;
  } else if (count >= 2) {
    uint16_t first = *(const quarter *)from, last = *(const quarter *)(from + count - 2);
    *(quarter *)to = first;
    *(quarter *)(to + count - 2) = last;
  } else if (count) {
    *to = *from;
  }
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  if (count <= 16) {
    move_short(to, from, count);
    return to;
  }
  uint64_t last = *(const word *)((const uint8_t *)from + count - 8);
  uint8_t *end = (uint8_t *)to + count - 8;
  void *cursor = to;
  size_t words = (count - 1) / 8;
  __asm__ volatile("rep movsq" : "+D"(cursor), "+S"(from), "+c"(words) : : "memory");
  *(word *)end = last;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  if (count <= 16) {
    move_short(to, from, count);
    return to;
  }
  uint8_t *target = to;
  const uint8_t *source = from;
  size_t words = count / 8;
  if ((uintptr_t)target - (uintptr_t)source >= count) {
    __asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
    for (size_t rest = count % 8; rest; rest--) *target++ = *source++;
  } else {
    for (size_t rest = count % 8; rest; rest--, count--) target[count - 1] = source[count - 1];
    for (; count; count -= 8) *(word *)(target + count - 8) = *(const word *)(source + count - 8);
  }
  return to;
}

void *memset(void *to, int value, size_t count) {
  uint64_t pattern = (uint8_t)value * 0x0101010101010101ULL;
  uint8_t *start = to;
  if (count >= 8) {
    void *cursor = to;
    size_t words = count / 8;
    __asm__ volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
    *(word *)(start + count - 8) = pattern;
  } else if (count >= 4) {
    *(half *)start = (uint32_t)pattern;
    *(half *)(start + count - 4) = (uint32_t)pattern;
  } else {
    for (size_t i = 0; i < count; i++) ((volatile uint8_t *)start)[i] = (uint8_t)value;
  }
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left, *b = right;
  for (; count >= 8; count -= 8, a += 8, b += 8) {
    uint64_t x = *(const word *)a, y = *(const word *)b;
    if (x != y) {
      x = __builtin_bswap64(x);
      y = __builtin_bswap64(y);
      return x < y ? -1 : 1;
    }
  }
  for (; count; count--, a++, b++)
    if (*a != *b) return *a < *b ? -1 : 1;
  return 0;
}

size_t strlen(const char *string) {
  size_t count = 0;
  while (((volatile const char *)string)[count]) count++;
  return count;
}
#endif
