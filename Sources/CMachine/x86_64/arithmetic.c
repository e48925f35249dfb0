// What the compiler and the standard library call for arithmetic that the CPU has no single
// instruction for: division of 128-bit integers, and rounding of floating point.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include <stdint.h>

typedef unsigned __int128 u128;
typedef __int128 s128;

static u128 divide(u128 numerator, u128 denominator, u128 *remainder) {
  uint64_t high = (uint64_t)(denominator >> 64), low = (uint64_t)denominator;
  if (high == 0) {
    // Schoolbook with two DIVs; the upper quotient first, so that neither can overflow.
    uint64_t top = (uint64_t)(numerator >> 64), bottom = (uint64_t)numerator;
    uint64_t upper = top / low, lower, rest = top % low;
    __asm__("divq %4" : "=a"(lower), "=d"(rest) : "a"(bottom), "d"(rest), "r"(low) : "cc");
    *remainder = rest;
    return ((u128)upper << 64) | lower;
  }
  uint64_t quotient = 0;
  int shift = __builtin_clzll(high);
  u128 part = denominator << shift;
  for (int bit = shift; bit >= 0; bit--, part >>= 1)
    if (numerator >= part) {
      numerator -= part;
      quotient |= 1ULL << bit;
    }
  *remainder = numerator;
  return quotient;
}

u128 __udivti3(u128 a, u128 b) {
  u128 remainder;
  return divide(a, b, &remainder);
}
u128 __umodti3(u128 a, u128 b) {
  u128 remainder;
  divide(a, b, &remainder);
  return remainder;
}
s128 __divti3(s128 a, s128 b) {
  u128 remainder, quotient = divide(a < 0 ? -(u128)a : (u128)a, b < 0 ? -(u128)b : (u128)b, &remainder);
  return (a < 0) != (b < 0) ? -(s128)quotient : (s128)quotient;
}
s128 __modti3(s128 a, s128 b) {
  u128 remainder;
  divide(a < 0 ? -(u128)a : (u128)a, b < 0 ? -(u128)b : (u128)b, &remainder);
  return a < 0 ? -(s128)remainder : (s128)remainder;
}

// A double of magnitude 2^52 or more, an infinity or a NaN has no fraction to round.
static int has_fraction(double x) { return x > -0x1p52 && x < 0x1p52; }

double trunc(double x) {
  return has_fraction(x) ? __builtin_copysign((double)(int64_t)x, x) : x;
}
double floor(double x) {
  double t = trunc(x);
  return t > x ? t - 1 : t;
}
double ceil(double x) {
  double t = trunc(x);
  return t < x ? __builtin_copysign(t + 1, x) : t;
}
double round(double x) {
  double t = trunc(x), rest = x - t;
  return rest >= 0.5 ? t + 1 : rest <= -0.5 ? t - 1 : t;
}
double rint(double x) {
  if (!has_fraction(x)) return x;
  int64_t nearest;
  __asm__("cvtsd2si %1, %0" : "=r"(nearest) : "x"(x));  // rounds to even by default
  return __builtin_copysign((double)nearest, x);
}
double sqrt(double x) {
  double root;
  __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
  return root;
}
float sqrtf(float x) {
  float root;
  __asm__("sqrtss %1, %0" : "=x"(root) : "x"(x));
  return root;
}
float truncf(float x) { return (float)trunc(x); }
float floorf(float x) { return (float)floor(x); }
float ceilf(float x) { return (float)ceil(x); }
float roundf(float x) { return (float)round(x); }
float rintf(float x) { return (float)rint(x); }
#endif
