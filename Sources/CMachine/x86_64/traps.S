// One stub per vector: makes every frame the same shape and calls apus_handle_exception(frame) for
// the CPU's exceptions, apus_interrupt(frame) for everything else.
//
// Only general registers are saved. That is sound because the kernel is compiled without vector
// registers (`-mno-implicit-float`) and linked so that it never runs an application's copy of a
// standard-library function.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include "cmachine_x86_64.h"
#include "isrcheck.h"

// What isrcheck has to know: where the hardware enters, and the two handlers behind it. Exceptions
// come from interrupt handlers too. They, and non-maskable interrupts, may run on a stack of their
// own of this size; interrupts use the stack that they find.
ISR_VECTORS(apus_trap_stubs, 256, 0)
ISR_ROOT(apus_interrupt, 0, ISR_NO_VECTOR)
ISR_ROOT(apus_handle_exception, 1, ISR_NO_VECTOR)
ISR_STACK(apus_handle_exception, APUS_TRAP_STACK_SIZE, 0)

.section .text.traps, "ax", @progbits
.code64
.altmacro
.type apus_trap_entries, @function
apus_trap_entries:
.macro TRAP_STUB n
  .align 16
  trap_stub_\n:
  // These push an error code themselves (volume 3, 6.15).
  .if (\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30)
  .else
    pushq $0
  .endif
  pushq $\n
  .if \n < 32
    jmp apus_exception_common
  .else
    jmp apus_interrupt_common
  .endif
.endm
.set vector, 0
.rept 256
  TRAP_STUB %vector
  .set vector, vector + 1
.endr

.size apus_trap_entries, . - apus_trap_entries

// Saves the general registers, calls the handler with the frame, and goes back.
.macro TRAP_COMMON name handler
.type \name, @function
\name:
  pushq %rax
  pushq %rbx
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %rbp
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  cld
  movq %rsp, %rdi
  movq %rsp, %rbx                // callee-saved: the handler keeps it
  andq $~15, %rsp
  xorl %ebp, %ebp                // a handler's backtrace ends here
  call \handler
  movq %rbx, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rbp
  popq %rdi
  popq %rsi
  popq %rdx
  popq %rcx
  popq %rbx
  popq %rax
  addq $16, %rsp
  iretq
.size \name, . - \name
.endm
TRAP_COMMON apus_exception_common, apus_handle_exception
TRAP_COMMON apus_interrupt_common, apus_interrupt

.section .rodata.traps, "a", @progbits
.align 8
.globl apus_trap_stubs
apus_trap_stubs:
.macro TRAP_ADDRESS n
  .quad trap_stub_\n
.endm
.set vector, 0
.rept 256
  TRAP_ADDRESS %vector
  .set vector, vector + 1
.endr

.section .note.GNU-stack, "", @progbits
#endif
