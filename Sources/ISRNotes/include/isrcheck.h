// Annotations for isrcheck, the checker of interrupt code. For C, C++ and assembly (.S), x86-64
// and AArch64, ELF. This file needs no other: copy it into your kernel.
//
// SPDX-License-Identifier: Apache-2.0
//
// Each macro is a declaration at file scope and puts a record of 24 bytes into the section
// `.isr.notes`. In C and C++ write a semicolon after it:
//
//   ISR_ROOT(timer_interrupt, 0, 32);
//   ISR_DENIED(kmalloc, ISR_ALLOCATES, "takes the heap's lock");
//
// - No code changes, and nothing reads the records at run time. To ship an image without them:
//   `objcopy --remove-section .isr.notes`.
// - The records survive `--gc-sections` where compiler and linker know the attribute `retain`
//   (tried: gcc 12 and clang 21 with GNU ld 2.40 and ld.lld 21). For others, and in a linker script
//   that lists all sections, write `.isr.notes : { KEEP(*(.isr.notes)) }` beside `.rodata`.
// - A record refers to its function, and so keeps it in the image even if nobody calls it. Where
//   that matters, name the function in a policy file instead: that keeps nothing.
// - An annotation is about the function's own symbol. What the compiler inlines is judged by its
//   instructions alone, so a function that is denied, trusted or a lock must not be inlined
//   (`__attribute__((noinline))`).
// - A function may be `static` and may be annotated several times. A macro may stand in a header;
//   then the function must be visible to all files that include it.
// - An overloaded function of C++ needs a cast: `ISR_SAFE((void (*)(int))f);`.
// - On other object formats than ELF the macros declare nothing.
#ifndef ISRCHECK_H
#define ISRCHECK_H

// ---- What arguments mean -----------------------------------------------------------------------

// ISR_ROOT: there is no vector number, or many.
#define ISR_NO_VECTOR -1

// ISR_DENIED: why.
#define ISR_OTHER 0
#define ISR_ALLOCATES 1
#define ISR_BLOCKS 2

// ISR_REGISTERS_HANDLER: each handler is a root of its own.
#define ISR_ROOTS 0

// ISR_ACQUIRES, ISR_RELEASES; added together by |. The lock's address is argument `n`, from 0.
#define ISR_LOCK_ARGUMENT(n) ((n) + 1)
#define ISR_INTERRUPTS_OFF 0x100

// ISR_SAVES_EXTENDED, ISR_RESTORES_EXTENDED; added together by |. On x86-64 as in XCR0.
#define ISR_X87 0x1
#define ISR_SSE 0x2
#define ISR_AVX 0x4
#define ISR_AVX512 0xe0
#define ISR_AMX 0x60000
#define ISR_SIMD 0x1000000
#define ISR_SVE 0x2000000
#define ISR_SME 0x4000000

// ISR_INTERRUPT_STATE.
#define ISR_DISABLES 0
#define ISR_ENABLES 1
#define ISR_RESTORES 2

// ---- The declarations --------------------------------------------------------------------------

// The hardware enters `function`, or entry code does that is declared elsewhere: checks start here.
// A root of a higher `level` interrupts those of a lower one. `vector` is for messages.
#define ISR_ROOT(function, level, vector) ISR_NOTE(1, level, function, vector)

// The hardware jumps to what this table holds: `count` addresses of 8 bytes (`stride` 0), or pieces
// of code `stride` bytes apart. Each must lead to a declared root.
#define ISR_VECTORS(table, count, stride) ISR_NOTE(2, count, table, stride)

// Not looked into: you answer for it. The reason is printed with each proof.
#define ISR_TRUSTED(function, reason) ISR_NOTE_TEXT(3, 0, function, reason)

// May not be reached from an interrupt. `why` is ISR_ALLOCATES, ISR_BLOCKS or ISR_OTHER; `reason`
// is a text, "" for none.
#define ISR_DENIED(function, why, reason) ISR_NOTE_TEXT(4, why, function, reason)

// Does not return: the machine is going down, and what it reaches does not matter.
#define ISR_FATAL(function) ISR_NOTE(5, 0, function, 0)

// Argument `argument` (from 0) of each call is the address of a handler: a root if `set` is
// ISR_ROOTS, else a member of that set. A set is a number from 1, or the address of any symbol.
#define ISR_REGISTERS_HANDLER(function, argument, set) ISR_NOTE(6, argument, function, set)

// Each indirect call in `function` goes to a member of `set`.
#define ISR_CALLS_MEMBERS(function, set) ISR_NOTE(7, 0, function, set)

// `function` is a member of `set`.
#define ISR_MEMBER(function, set) ISR_NOTE(8, 0, function, set)

// Takes, or gives back, a lock. `how` is ISR_LOCK_ARGUMENT(n), ISR_INTERRUPTS_OFF, both by |, or 0.
// `class_name` names the class of all locks that it takes; "" if the argument tells which lock.
#define ISR_ACQUIRES(function, how, class_name) ISR_NOTE_TEXT(9, how, function, class_name)
#define ISR_RELEASES(function, how, class_name) ISR_NOTE_TEXT(10, how, function, class_name)

// The stack that this root runs on has `size` bytes. Roots with the same `id` share one, on which
// they nest by level; 0 is a stack of its own. An id is a number or the address of any symbol.
#define ISR_STACK(function, size, id) ISR_NOTE(11, size, function, id)

// The function's own frame has at most `size` bytes, for code where that cannot be found out.
#define ISR_FRAME(function, size) ISR_NOTE(12, size, function, 0)

// Saves, or restores, these groups of extended registers: between the two they may be written.
#define ISR_SAVES_EXTENDED(function, groups) ISR_NOTE(13, groups, function, 0)
#define ISR_RESTORES_EXTENDED(function, groups) ISR_NOTE(14, groups, function, 0)

// Calls itself, directly or through others, at most `depth` deep.
#define ISR_RECURSION(function, depth) ISR_NOTE(15, depth, function, 0)

// Written for use in interrupts: what `isrcheck --strict` demands of all that is reached.
#define ISR_SAFE(function) ISR_NOTE(16, 0, function, 0)

// ISR_DISABLES: returns with interrupts off. ISR_ENABLES: on. ISR_RESTORES: as they were before.
#define ISR_INTERRUPT_STATE(function, change) ISR_NOTE(17, change, function, 0)

// Jumps to what a register holds, by its number in the instruction set (rax 0, rcx 1, rdx 2, rbx 3,
// rsp 4, rbp 5, rsi 6, rdi 7, r8 to r15; x0 to x30): a compiler's thunk.
#define ISR_INDIRECT_THUNK(function, register_number) ISR_NOTE(18, register_number, function, 0)

// Does what a return does: a compiler's thunk.
#define ISR_RETURN_THUNK(function) ISR_NOTE(19, 0, function, 0)

// Another way to declare functions safe: group them in a section, `ISR_TEXT void f(void)`. The
// linker script must keep `.text.isr` as an output section of its own, since by default linkers
// merge it into `.text` and the grouping is lost.
#if defined(__ELF__)
#define ISR_TEXT __attribute__((section(".text.isr")))
#else
#define ISR_TEXT
#endif

// ---- How a record is written -------------------------------------------------------------------

#if defined(__ASSEMBLER__)

#define ISR_NOTE(kind, argument, function, extra) \
  .pushsection .isr.notes, "aR", %progbits; \
  .balign 8; \
  .long kind, argument; \
  .quad function, extra; \
  .popsection
// The local label is one that the code around the macro will not use.
#define ISR_NOTE_TEXT(kind, argument, function, text) \
  .pushsection .rodata.isr, "a", %progbits; \
  88172: .asciz text; \
  .popsection; \
  ISR_NOTE(kind, argument, function, 88172b)

#elif defined(__ELF__)

#if !defined(__SIZEOF_POINTER__) || __SIZEOF_POINTER__ != 8
#error "isrcheck.h is for 64-bit targets"
#endif

struct isr_note {
  unsigned int kind, argument;
  const void *function, *extra;
};

// Without `aligned` a compiler may align a structure in static storage to more than 8 bytes, and
// leave gaps. Without `retain` the linker may drop what nobody refers to.
#if defined(__has_attribute)
#if __has_attribute(retain)
#define ISR_RETAIN __attribute__((retain))
#endif
#endif
#if !defined(ISR_RETAIN)
#define ISR_RETAIN
#endif
#define ISR_JOIN(first, second) ISR_JOIN_EXPANDED(first, second)
#define ISR_JOIN_EXPANDED(first, second) first##second
// By way of an integer, since compilers warn of casts between pointers of different kinds.
#define ISR_ADDRESS(value) ((const void *)(__UINTPTR_TYPE__)(value))

#define ISR_NOTE(kind, argument, function, extra) \
  static const struct isr_note ISR_RETAIN \
  __attribute__((section(".isr.notes"), used, aligned(8))) ISR_JOIN(isr_note_, __COUNTER__) = { \
    kind, argument, ISR_ADDRESS(function), ISR_ADDRESS(extra)}
#define ISR_NOTE_TEXT(kind, argument, function, text) ISR_NOTE(kind, argument, function, text)

#else

#define ISR_NOTE(kind, argument, function, extra) struct isr_no_note
#define ISR_NOTE_TEXT(kind, argument, function, text) struct isr_no_note

#endif
#endif
