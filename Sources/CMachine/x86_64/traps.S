// One stub per vector: makes every frame the same shape and calls apus_handle_page_fault(frame) for
// page faults, apus_handle_exception(frame) for the CPU's other exceptions, and apus_interrupt(frame)
// for everything else.
//
// Any stack may be memory that comes with the first access. So none of them enters on the stack that it
// finds: the push of an interrupt's frame could fault, and the interrupt would be lost.
//
// Only general registers are saved. That is sound because the kernel is compiled without vector
// registers (`-mno-implicit-float`) and linked so that it never runs an application's copy of a
// standard-library function.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include "cmachine_x86_64.h"
#include "isrcheck.h"

// What isrcheck has to know: where the hardware enters, and the handlers behind it, each on a stack of
// its own. Exceptions come from interrupt handlers too.
ISR_VECTORS(apus_trap_stubs, 256, 8)
ISR_ROOT(apus_interrupt, 0, ISR_NO_VECTOR)
// A page that another CPU uses may be missing in a table of this one: a fault comes on the same stack then.
ISR_STACK(apus_interrupt, APUS_INTERRUPT_STACK_SIZE - APUS_FAULT_STACK_NEED, 0)
// On the interrupted stack; a thread's is larger by far.
ISR_ROOT(apus_preempt, 0, ISR_NO_VECTOR)
ISR_STACK(apus_preempt, APUS_PREEMPTION_STACK_NEED, 0)
// Where it puts the frame, which is all that is on that stack, and where a thread leaves its own stack.
ISR_FRAME(apus_interrupt_preempt, 22 * 8)
ISR_FRAME(apus_preempt_stack, 8 * 8)
ISR_ROOT(apus_handle_exception, 1, ISR_NO_VECTOR)
ISR_STACK(apus_handle_exception, APUS_TRAP_STACK_SIZE, 0)
// What the first part of a page fault's stub needs of the stack for page faults is less than 1 KiB. The
// second one runs on the interrupted stack: this is the frame, the handler's call and its alignment.
ISR_ROOT(apus_handle_page_fault, 1, 14)
ISR_STACK(apus_handle_page_fault, APUS_FAULT_STACK_NEED, 0)
ISR_FRAME(apus_page_fault, 23 * 8 + 8 + 8 + 8)
ISR_ROOT(apus_handle_nested_page_fault, 1, 14)
ISR_STACK(apus_handle_nested_page_fault, APUS_PAGE_FAULT_STACK_SIZE - APUS_NESTED_FAULT_OFFSET, 0)
ISR_FATAL(apus_report_page_fault)
ISR_ROOT(apus_fail_page_fault, 1, 14)
ISR_STACK(apus_fail_page_fault, APUS_TRAP_STACK_SIZE, 0)
ISR_FATAL(apus_report_silence)
ISR_ROOT(apus_fail_silence, 1, ISR_NO_VECTOR)
ISR_STACK(apus_fail_silence, APUS_TRAP_STACK_SIZE, 0)

// One stub for each vector, 8 bytes apart: a push of 2 bytes and a jump of 5. So a vector above 127 is
// pushed as a negative number; its low byte counts.
.section .text.traps, "ax", @progbits
.code64
.altmacro
.align 8
.globl apus_trap_stubs
.type apus_trap_stubs, @function
apus_trap_stubs:
.macro TRAP_STUB n, byte
  .align 8
  trap_stub_\n:
  .if \n == 14
    jmp apus_page_fault
  .else
    pushq $\byte
  // The CPU has pushed an error code before (volume 3, 6.15).
  .if (\n == 8) || (\n >= 10 && \n <= 13) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30)
    jmp apus_exception_common
  .elseif \n < 32
    jmp apus_exception_without_code
  .else
    jmp apus_interrupt_common
  .endif
  .endif
.endm
.set vector, 0
.rept 256
  TRAP_STUB %vector, %(vector - ((vector & 128) << 1))
  .set vector, vector + 1
.endr
.align 8
.size apus_trap_stubs, . - apus_trap_stubs

.macro PUSH_FROM_RSI
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
.endm
.macro PUSH_REGISTERS
  pushq %rax
  pushq %rbx
  pushq %rcx
  pushq %rdx
  PUSH_FROM_RSI
.endm
.macro POP_REGISTERS
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
.endm

// Saves the general registers, calls the handler with the frame, and goes back: to the interrupted thread,
// or to another one if that has to give way.
.type apus_interrupt_common, @function
apus_interrupt_common:
  pushq (%rsp)                   // the vector; there is no error code, and its place has the same
  PUSH_REGISTERS
  cld
  leaq -8(%rsp), %rdi            // the frame begins with the address of a page fault
  movq %rsp, %rbx                // callee-saved: the handler keeps it
  andq $~15, %rsp
  xorl %ebp, %ebp                // a handler's backtrace ends here
  call apus_interrupt
  movq %rbx, %rsp
  testb %al, %al
  jnz apus_interrupt_preempt
  POP_REGISTERS
  addq $16, %rsp
  iretq
.size apus_interrupt_common, . - apus_interrupt_common

// The thread gives way on its own stack, since the next interrupt uses this one: the frame goes there,
// as if that were where the interrupt had entered.
.type apus_interrupt_preempt, @function
apus_interrupt_preempt:
  movq 20 * 8(%rsp), %rax        // the interrupted stack
  andq $~15, %rax
  leaq -22 * 8(%rax), %rdi
  movq %rdi, %rbx
  movq %rsp, %rsi
  movl $22, %ecx
  rep movsq
  movq %rbx, %rsp
  xorl %ebp, %ebp
  call apus_preempt
  POP_REGISTERS
  addq $16, %rsp
  iretq
.size apus_interrupt_preempt, . - apus_interrupt_preempt

// Gives an exception without an error code one.
.type apus_exception_without_code, @function
apus_exception_without_code:
  pushq (%rsp)
  movq $0, 8(%rsp)
  jmp apus_exception_common
.size apus_exception_without_code, . - apus_exception_without_code

// The same for exceptions, with the address that a page fault on the way to a double fault was about.
.type apus_exception_common, @function
apus_exception_common:
  PUSH_REGISTERS
  movq %cr2, %rax
  pushq %rax
  cld
  movq %rsp, %rdi
  movq %rsp, %rbx
  andq $~15, %rsp
  xorl %ebp, %ebp
  call apus_handle_exception
  leaq 8(%rbx), %rsp
  POP_REGISTERS
  addq $16, %rsp
  iretq
.size apus_exception_common, . - apus_exception_common

// A page fault enters on a stack of its own and goes on at the interrupted one, as a function that the
// interrupted code calls: so interrupts may come meanwhile, and threads change. To touch that stack may
// fault, too. While it is touched for the first time the stack pointer for page faults is 1 KiB lower,
// and bit 10 of the stack pointer tells such a fault from others.
.type apus_page_fault, @function
apus_page_fault:
  incq %gs:APUS_FAULT_COUNT
  testl $APUS_NESTED_FAULT_OFFSET, %esp
  jz apus_nested_page_fault
  subq $APUS_NESTED_FAULT_OFFSET, %gs:APUS_PAGE_FAULT_STACK_POINTER
  pushq %rax
  pushq %rcx
  pushq %rdx
  movq %cr2, %rdx                // the next fault overwrites it
  movq 56(%rsp), %rax            // the interrupted stack
  andq $~15, %rax
  cmpb $0, -APUS_FAULT_STACK_NEED(%rax)
  movq 64(%rsp), %rcx            // ss
  movq %rcx, -8(%rax)
  movq 56(%rsp), %rcx            // rsp
  movq %rcx, -16(%rax)
  movq 48(%rsp), %rcx            // rflags
  movq %rcx, -24(%rax)
  movq 40(%rsp), %rcx            // cs
  movq %rcx, -32(%rax)
  movq 32(%rsp), %rcx            // rip
  movq %rcx, -40(%rax)
  movq 24(%rsp), %rcx            // the error code
  movq %rcx, -48(%rax)
  movq $14, -56(%rax)            // the vector
  movq 16(%rsp), %rcx            // rax
  movq %rcx, -64(%rax)
  movq %rbx, -72(%rax)
  movq 8(%rsp), %rcx             // rcx
  movq %rcx, -80(%rax)
  movq (%rsp), %rcx              // rdx
  movq %rcx, -88(%rax)
  leaq -88(%rax), %rsp
  addq $APUS_NESTED_FAULT_OFFSET, %gs:APUS_PAGE_FAULT_STACK_POINTER
  PUSH_FROM_RSI
  pushq %rdx
  cld
  movq %rsp, %rdi
  subq $8, %rsp
  xorl %ebp, %ebp
  call apus_handle_page_fault
  testl %eax, %eax
  jnz 1f
  addq $16, %rsp
  POP_REGISTERS
  addq $16, %rsp
  iretq
1:
  leaq 8(%rsp), %rdi
  jmp apus_report_page_fault
.size apus_page_fault, . - apus_page_fault

// The same as long as there is no stack for page faults.
.globl apus_early_page_fault
.type apus_early_page_fault, @function
apus_early_page_fault:
  pushq $14
  jmp apus_exception_common
.size apus_early_page_fault, . - apus_early_page_fault

// A fault on the interrupted stack is resolved where it is, with interrupts off. Another one meanwhile
// finds an impossible stack pointer, and becomes a double fault.
.type apus_nested_page_fault, @function
apus_nested_page_fault:
  btcq $63, %gs:APUS_PAGE_FAULT_STACK_POINTER
  pushq $14
  PUSH_REGISTERS
  movq %cr2, %rax
  pushq %rax
  cld
  movq %rsp, %rdi
  subq $8, %rsp
  xorl %ebp, %ebp
  call apus_handle_nested_page_fault
  testl %eax, %eax
  jnz 1f
  addq $16, %rsp
  POP_REGISTERS
  addq $16, %rsp
  btcq $63, %gs:APUS_PAGE_FAULT_STACK_POINTER
  iretq
1:
  leaq 8(%rsp), %rdi
  jmp apus_report_page_fault
.size apus_nested_page_fault, . - apus_nested_page_fault

// The report of a fault that nothing resolves takes more stack than a thread may have left: it is written
// on the stack for exceptions that do not return.
.type apus_report_page_fault, @function
apus_report_page_fault:
  movq %gs:APUS_REPORT_STACK_POINTER, %rsp
  movl %eax, %esi
  call apus_fail_page_fault
  ud2
.size apus_report_page_fault, . - apus_report_page_fault

// The same for a CPU that waits for another one in vain.
.globl apus_report_silence
.type apus_report_silence, @function
apus_report_silence:
  cli
  movq %gs:APUS_REPORT_STACK_POINTER, %rsp
  call apus_fail_silence
  ud2
.size apus_report_silence, . - apus_report_silence

.section .note.GNU-stack, "", @progbits
#endif
