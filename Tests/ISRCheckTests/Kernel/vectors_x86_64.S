// Where x86-64 enters: each vector pushes its number, and all go on at one place.
#include "kernel.h"

  .text
  .p2align 4
stubs:
  .set vector, 0
  .rept VECTORS
  .p2align 4
  pushq $vector
  jmp enter
  .set vector, vector + 1
  .endr

  .type enter, @function
enter:
  .irp register, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
  pushq %\register
  .endr
  // The number of the vector lies above what was pushed; handlers want it first.
  movq 120(%rsp), %rax
  subq $8, %rsp
  pushq %rax
  movq %rsp, %rdi
  cld
  cmpq $FIRST_INTERRUPT, %rax
  jb 1f
  call handle_interrupt
  jmp 2f
1:
#ifdef BUG_VECTOR
  cmpq $1, %rax
  jne 1f
  call handle_stray
  jmp 2f
1:
#endif
  call handle_fault
2:
  addq $16, %rsp
  .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
  popq %\register
  .endr
  addq $8, %rsp
  iretq
  .size enter, . - enter

  .globl start
  .type start, @function
start:
  leaq stack_end(%rip), %rsp
  call kernel_main
  hlt
  .size start, . - start

  .section .rodata
  .balign 8
  .globl vector_table
  .type vector_table, @object
vector_table:
  .set vector, 0
  .rept VECTORS
  .quad stubs + 16 * vector
  .set vector, vector + 1
  .endr
  .size vector_table, . - vector_table
ISR_VECTORS(vector_table, VECTORS, 0)

  .bss
  .balign 16
  .skip 65536
stack_end:
  .section .note.GNU-stack, "", @progbits
