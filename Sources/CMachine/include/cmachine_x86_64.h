// Instructions that Swift cannot express, and the layouts that assembly and Swift share.
// Section numbers are of the Intel SDM, volume 3, unless said otherwise.
#pragma once
#if defined(__x86_64__) && __STDC_HOSTED__ == 0

// Bytes of the stacks for traps that may come when the stack in use is bad: isrcheck proves that
// this is enough.
#define APUS_TRAP_STACK_SIZE 16384
// The same for interrupts.
#define APUS_INTERRUPT_STACK_SIZE 8192
// The same for page faults, until they go on at the interrupted stack.
#define APUS_PAGE_FAULT_STACK_SIZE 4096
// Bytes that the handling of a page fault needs of the stack of the interrupted code. A fault on that
// stack meanwhile has its frame so much lower than others: see traps.S.
#define APUS_FAULT_STACK_NEED 2048
#define APUS_NESTED_FAULT_OFFSET 1024
// Bytes that a thread needs below what it uses when it is preempted, with the registers of vectors.
#define APUS_PREEMPTION_STACK_NEED 2048

// Bytes of the block that GS points to, and where in it the storage of the module Locking begins.
#define APUS_PROCESSOR_BLOCK_SIZE 768
#define APUS_LOCKING_OFFSET 256
// Where in it page faults are counted.
#define APUS_FAULT_COUNT 48
// Where in it the TSS has the stack pointers of exceptions that do not return and of page faults: entries
// 1 and 3 of the interrupt stack table (7.7).
#define APUS_REPORT_STACK_POINTER 164
#define APUS_PAGE_FAULT_STACK_POINTER 180

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

// The compiler does not weigh up: most are one instruction.
#define APUS_INLINE static inline __attribute__((always_inline))

// ---- Port I/O ----

APUS_INLINE void apus_out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
APUS_INLINE void apus_out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
APUS_INLINE uint8_t apus_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
APUS_INLINE void apus_out_bytes(uint16_t port, const uint8_t *bytes, uint64_t count) {
  __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

// ---- Memory-mapped registers ----

APUS_INLINE uint32_t apus_mmio_read32(uint64_t address) {
  return *(volatile const uint32_t *)address;
}
APUS_INLINE void apus_mmio_write8(uint64_t address, uint8_t value) {
  *(volatile uint8_t *)address = value;
}
APUS_INLINE void apus_mmio_write32(uint64_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}

// ---- Model-specific and control registers ----

APUS_INLINE uint64_t apus_rdmsr(uint32_t msr) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return ((uint64_t)high << 32) | low;
}
APUS_INLINE void apus_wrmsr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                   : "memory");
}
APUS_INLINE uint64_t apus_read_cr0(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr0, %0" : "=r"(value));
  return value;
}
APUS_INLINE void apus_write_cr0(uint64_t value) {
  __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}
APUS_INLINE uint64_t apus_read_cr2(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr2, %0" : "=r"(value));
  return value;
}
APUS_INLINE uint64_t apus_read_cr3(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr3, %0" : "=r"(value));
  return value;
}
APUS_INLINE void apus_write_cr3(uint64_t value) {
  __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}
APUS_INLINE uint64_t apus_read_cr4(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr4, %0" : "=r"(value));
  return value;
}
APUS_INLINE void apus_write_cr4(uint64_t value) {
  __asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}
APUS_INLINE void apus_invlpg(uint64_t address) {
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

struct apus_cpuid {
  uint32_t eax, ebx, ecx, edx;
};
APUS_INLINE struct apus_cpuid apus_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct apus_cpuid r;
  __asm__ volatile("cpuid"
                   : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                   : "a"(leaf), "c"(subleaf));
  return r;
}

// The registers that applications use and the kernel does not: 512 bytes, 16-byte aligned.
APUS_INLINE void apus_save_vectors(void *area) {
  __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}
APUS_INLINE void apus_restore_vectors(const void *area) {
  __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}
// Floating point as the ABI has it at the start of a program: all exceptions masked.
APUS_INLINE void apus_reset_vectors(void) {
  const uint32_t mxcsr = 0x1F80;
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

// ---- Time and waiting ----

APUS_INLINE uint64_t apus_rdtsc(void) {
  uint32_t low, high;
  // The fence keeps it behind earlier loads: whoever has seen a time sees no earlier one.
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return ((uint64_t)high << 32) | low;
}
// What a WRMSR to the local APIC needs before it, which is not serialising in x2APIC mode
// (10.12.3): everything written before is visible to the CPU that is told.
APUS_INLINE void apus_fence_before_wrmsr(void) { __asm__ volatile("mfence; lfence" ::: "memory"); }

APUS_INLINE void apus_pause(void) { __asm__ volatile("pause" ::: "memory"); }

APUS_INLINE uint64_t apus_read_flags(void) {
  uint64_t flags;
  __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
  return flags;
}
APUS_INLINE void apus_cli(void) { __asm__ volatile("cli" ::: "memory"); }
APUS_INLINE void apus_sti(void) { __asm__ volatile("sti" ::: "memory"); }
// STI holds interrupts back for one more instruction (volume 2, STI), so an interrupt that is
// already pending ends the HLT instead of slipping in before it.
APUS_INLINE void apus_sti_hlt_cli(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }
APUS_INLINE void apus_cli_hlt(void) { __asm__ volatile("cli; hlt" ::: "memory"); }

// One hardware random word, or 0 where the CPU has none ready. The caller checks CPUID.
APUS_INLINE uint64_t apus_rdrand(void) {
  uint64_t value;
  uint8_t ok;
  __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok) : : "cc");
  return ok ? value : 0;
}

// ---- CPU-local storage ----

// The first word of the block that GS points to is the CPU's index.
APUS_INLINE uint64_t apus_gs_index(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
  return value;
}

// The second word is the count of reasons for which the CPU's thread may not be preempted. One
// instruction each, so that a thread that could still move finishes it on the CPU it began on.
APUS_INLINE void apus_gs_disable_preemption(void) {
  __asm__ volatile("incq %%gs:8" ::: "memory", "cc");
}
APUS_INLINE void apus_gs_enable_preemption(void) {
  __asm__ volatile("decq %%gs:8" ::: "memory", "cc");
}
APUS_INLINE uint64_t apus_gs_preemption_count(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:8, %0" : "=r"(value) : : "memory");
  return value;
}

// The third word is the address of the block, see locking_storage.h.

// The fourth word counts the interrupts that the CPU is in the middle of.
APUS_INLINE void apus_gs_enter_interrupt(void) {
  __asm__ volatile("incq %%gs:24" ::: "memory", "cc");
}
APUS_INLINE void apus_gs_leave_interrupt(void) {
  __asm__ volatile("decq %%gs:24" ::: "memory", "cc");
}
APUS_INLINE uint64_t apus_gs_interrupt_depth(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:24, %0" : "=r"(value) : : "memory");
  return value;
}

// The fifth word is the thread's that the CPU runs.
APUS_INLINE void *apus_gs_thread(void) {
  void *value;
  // No clobber of memory: only a switch changes it, and for a thread it is always the same.
  __asm__ volatile("movq %%gs:32, %0" : "=r"(value));
  return value;
}
APUS_INLINE void apus_gs_set_thread(void *thread) {
  __asm__ volatile("movq %0, %%gs:32" : : "r"(thread) : "memory");
}

// The sixth word says why the thread is to give way, or 0.
APUS_INLINE uint64_t apus_gs_preemption_request(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:40, %0" : "=r"(value) : : "memory");
  return value;
}
APUS_INLINE void apus_gs_set_preemption_request(uint64_t value) {
  __asm__ volatile("movq %0, %%gs:40" : : "er"(value) : "memory");
}

// The seventh word counts the CPU's page faults (traps.S), the eighth the interrupts that it has sent.
APUS_INLINE void apus_gs_count_interrupt_sent(void) {
  __asm__ volatile("incq %%gs:56" ::: "memory", "cc");
}

// ---- Descriptor tables ----

struct __attribute__((packed)) apus_table_register {
  uint16_t limit;
  uint64_t base;
};
APUS_INLINE void apus_lidt(uint64_t base, uint16_t limit) {
  struct apus_table_register r = {limit, base};
  __asm__ volatile("lidt %0" : : "m"(r));
}
APUS_INLINE void apus_lgdt(uint64_t base, uint16_t limit) {
  struct apus_table_register r = {limit, base};
  __asm__ volatile("lgdt %0" : : "m"(r) : "memory");
}
APUS_INLINE void apus_ltr(uint16_t selector) {
  __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

// What the trap stubs push, lowest address first. The address is that of a page fault, and of no meaning
// in interrupts; nor is their error code, and of their vector the low byte counts.
struct apus_trap_frame {
  uint64_t address;
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
  uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error_code;
  uint64_t rip, cs, rflags, rsp, ss;
};

// ---- What the assembly defines ----

// One stub for each vector, 8 bytes apart.
extern uint8_t apus_trap_stubs[];
extern uint8_t apus_early_page_fault[];
extern uint8_t apus_trampoline_start[], apus_trampoline_end[];
extern uint8_t apus_marks[];
extern uint8_t apus_boot_stack_guard[], apus_boot_block[],
    apus_interrupt_table[];

// Set in the copy of the trampoline, see trampoline.S.
struct apus_trampoline_parameters {
  uint16_t gdt_limit;
  uint32_t gdt_base;
  uint16_t padding;
  uint32_t cr0, cr3, cr4, efer;
} __attribute__((packed));
extern uint8_t apus_trampoline_parameters[];
extern uint64_t apus_boot_gdt[3];

// The secondary CPUs that are being started. `count` entries from `entries` on.
struct apus_secondary {
  uint32_t apic_id;
  uint32_t index;
  uint64_t stack_top;
};
struct apus_secondary_list {
  uint64_t count;
  struct apus_secondary *entries;
};
extern struct apus_secondary_list apus_secondaries;
APUS_INLINE struct apus_secondary_list *apus_secondary_list(void) { return &apus_secondaries; }

APUS_INLINE uint64_t apus_trap_stub(uint64_t vector) { return (uint64_t)apus_trap_stubs + 8 * vector; }
APUS_INLINE uint64_t apus_early_page_fault_address(void) { return (uint64_t)apus_early_page_fault; }
APUS_INLINE uint64_t apus_trampoline_address(void) { return (uint64_t)apus_trampoline_start; }
APUS_INLINE uint64_t apus_trampoline_size(void) {
  return (uint64_t)(apus_trampoline_end - apus_trampoline_start);
}
APUS_INLINE uint64_t apus_trampoline_parameters_offset(void) {
  return (uint64_t)(apus_trampoline_parameters - apus_trampoline_start);
}
APUS_INLINE uint64_t apus_boot_gdt_address(void) { return (uint64_t)apus_boot_gdt; }
APUS_INLINE uint64_t apus_interrupt_table_address(void) { return (uint64_t)apus_interrupt_table; }
APUS_INLINE uint64_t apus_boot_block_address(void) { return (uint64_t)apus_boot_block; }
APUS_INLINE uint64_t apus_boot_stack_guard_address(void) {
  return (uint64_t)apus_boot_stack_guard;
}

// Runs the one-byte function `n` of the marks, for the counting plugin: two instructions.
APUS_INLINE void apus_mark(uint64_t n) {
  __asm__ volatile("call *%0" : : "r"(apus_marks + n) : "memory");
}

// Section borders, from the linker script.
#define APUS_BORDER(name)                                                                          \
  extern uint8_t __apus_##name[];                                                                  \
  APUS_INLINE uint64_t apus_##name(void) { return (uint64_t)__apus_##name; }
APUS_BORDER(image_start)
APUS_BORDER(text_end)
APUS_BORDER(rodata_end)
APUS_BORDER(image_end)

// The application's entry point, which the linker binds to the main module's.
int main(int argc, char **argv);
APUS_INLINE int apus_call_main(void) { return main(0, NULL); }

// ---- What Swift defines and the assembly calls ----

void apus_boot(uint64_t start_info);
void apus_secondary_boot(uint64_t index);
// An interrupt of any kind, not acknowledged yet.
// Returns whether the interrupted thread is to give way.
bool apus_interrupt(struct apus_trap_frame *frame);

// A page fault, on the stack of the interrupted code, with interrupts off before and after: returns 0 when
// the access may be tried again. The other one is about that stack itself.
uint64_t apus_handle_page_fault(struct apus_trap_frame *frame);
uint64_t apus_handle_nested_page_fault(struct apus_trap_frame *frame);
// The end, after one of them has returned `failure`.
_Noreturn void apus_fail_page_fault(struct apus_trap_frame *frame, uint64_t failure);
// Another exception or a non-maskable interrupt: returns to continue where it happened.
void apus_handle_exception(struct apus_trap_frame *frame);
// An interrupt that the kernel sent or armed itself; already acknowledged.
void apus_handle_interrupt(uint64_t interrupt);
// The heap: the first never returns NULL, the others do without memory.
void *apus_heap_allocate(uint64_t alignment, uint64_t byte_count);
void *apus_heap_allocate_aligned(uint64_t alignment, uint64_t byte_count);
void *apus_heap_allocate_block(uint64_t byte_count);
void apus_heap_free(void *pointer);
uint64_t apus_heap_usable_size(void *pointer);
// Whether the block has been made larger or smaller where it is.
uint64_t apus_heap_resize(void *pointer, uint64_t byte_count);
// Memory ran out where Swift has no way to say so.
_Noreturn void apus_out_of_memory(uint64_t byte_count);
// Memory was used wrongly, in checked builds; `reason` ends with a zero.
_Noreturn void apus_misuse(const uint8_t *reason, uint64_t address);
#endif
#endif
