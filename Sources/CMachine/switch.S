// The change from one thread's stack to another's, for images and for hosts of the same architecture.
#if defined(__x86_64__)

// void apus_switch_stack(uint64_t *from, uint64_t to): leaves what a call preserves on the stack in use,
// says in `*from` where, and goes on as the stack `to` was left. The vector registers are dead at a call;
// of floating point only the control words live on (System V ABI, 3.2.1).
.section .text.switch, "ax", @progbits
.macro SWITCH_STACK name
.globl \name
.type \name, @function
.align 16
\name:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size \name, . - \name
.endm
SWITCH_STACK apus_switch_stack
SWITCH_STACK apus_preempt_stack

// Where a stack begins that `apus_prepare_stack` made: r12 is the function, r13 its argument. The chain
// of frames ends here, for the frame pointer is 0.
.globl apus_start_stack
.type apus_start_stack, @function
.align 16
apus_start_stack:
  movq %r13, %rdi
  callq *%r12
  ud2
.size apus_start_stack, . - apus_start_stack
#endif
.section .note.GNU-stack, "", @progbits
