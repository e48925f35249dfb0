// What a test must read or do that Swift has no words for.
#pragma once
#include <stdint.h>

static inline __attribute__((always_inline)) uint64_t probe_cr0(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr0, %0" : "=r"(value));
  return value;
}
static inline __attribute__((always_inline)) uint64_t probe_cr3(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr3, %0" : "=r"(value));
  return value;
}
static inline __attribute__((always_inline)) uint64_t probe_cr4(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr4, %0" : "=r"(value));
  return value;
}
static inline __attribute__((always_inline)) uint64_t probe_msr(uint32_t msr) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return ((uint64_t)high << 32) | low;
}
static inline __attribute__((always_inline)) uint64_t probe_idt_base(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } table;
  __asm__ volatile("sidt %0" : "=m"(table));
  return table.base;
}
static inline __attribute__((always_inline)) uint64_t probe_flags(void) {
  uint64_t flags;
  __asm__ volatile("pushfq; popq %0" : "=r"(flags));
  return flags;
}
// CPUID leaf 7, subleaf 0: EBX in the low half, ECX in the high half.
static inline __attribute__((always_inline)) uint64_t probe_cpuid7(void) {
  uint32_t a = 7, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return ((uint64_t)c << 32) | b;
}
static inline __attribute__((always_inline)) void probe_call(uint64_t address) {
  ((void (*)(void))address)();
}
static inline __attribute__((always_inline)) void probe_disable_interrupts(void) {
  __asm__ volatile("cli" ::: "memory");
}
static inline __attribute__((always_inline)) void probe_enable_interrupts(void) {
  __asm__ volatile("sti" ::: "memory");
}
static inline __attribute__((always_inline)) void probe_pause(void) {
  __asm__ volatile("pause" ::: "memory");
}
// An address in the image's code, and one in its constants.
uint64_t probe_code_address(void);
uint64_t probe_constant_address(void);
// Fills all vector registers from `seed`, spins for `turns`, and returns 1 if all still hold it.
uint64_t probe_vectors_survive(uint64_t seed, uint64_t turns);
// Counts the 64-bit word at `counter` up by one. For interrupts: takes no lock, uses no vector register.
void probe_count(const void *_Nonnull counter, long cpu);
// Fills the general registers, writes to the page at `address`, and returns 0 if all still hold what they did,
// and the flags too; otherwise the number of the first that does not, from 1 on.
uint64_t probe_fault_registers(uint64_t address);
// Recurses, with 256 bytes of stack each time, and returns the sum of `value` over all calls.
uint64_t probe_deep(uint64_t depth, uint64_t value);
// Recurses until the stack ends.
uint64_t probe_overflow(uint64_t depth);
// Tries the functions of <stdlib.h>; returns the line of what does not hold, or 0.
uint64_t probe_heap(uint64_t seed);
// The same with blocks of several MiB.
uint64_t probe_large_heap(uint64_t seed);
static inline __attribute__((always_inline)) void probe_out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline __attribute__((always_inline)) uint8_t probe_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline __attribute__((always_inline)) void probe_write32(uint64_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}
