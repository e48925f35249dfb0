// Where AArch64 enters: sixteen pieces of code, 128 bytes apart (Arm ARM, D1.10.2).
#include "kernel.h"

  .text
  .balign 2048
  .globl vector_table
vector_table:
  .set vector, 0
  .rept 16
  .balign 128
  sub sp, sp, #256
  stp x0, x1, [sp, #8]
  mov x0, #vector
#ifdef BUG_VECTOR
  .if vector == 3
  b enter_stray
  .endif
#endif
  .if vector % 4 == 1
  b enter_interrupt
  .else
  b enter_fault
  .endif
  .set vector, vector + 1
  .endr
  .balign 128

.macro save
  str x0, [sp]
  stp x2, x3, [sp, #24]
  stp x4, x5, [sp, #40]
  stp x6, x7, [sp, #56]
  stp x8, x9, [sp, #72]
  stp x10, x11, [sp, #88]
  stp x12, x13, [sp, #104]
  stp x14, x15, [sp, #120]
  stp x16, x17, [sp, #136]
  stp x18, x30, [sp, #152]
  mov x0, sp
.endm

  .type enter_interrupt, @function
enter_interrupt:
  add x0, x0, #FIRST_INTERRUPT
  save
  bl handle_interrupt
  b leave
  .size enter_interrupt, . - enter_interrupt

  .type enter_fault, @function
enter_fault:
  save
  bl handle_fault
  b leave
  .size enter_fault, . - enter_fault

#ifdef BUG_VECTOR
  .type enter_stray, @function
enter_stray:
  save
  bl handle_stray
  b leave
  .size enter_stray, . - enter_stray
#endif

leave:
  ldp x2, x3, [sp, #24]
  ldp x4, x5, [sp, #40]
  ldp x6, x7, [sp, #56]
  ldp x8, x9, [sp, #72]
  ldp x10, x11, [sp, #88]
  ldp x12, x13, [sp, #104]
  ldp x14, x15, [sp, #120]
  ldp x16, x17, [sp, #136]
  ldp x18, x30, [sp, #152]
  ldp x0, x1, [sp, #8]
  add sp, sp, #256
  eret

  .globl start
  .type start, @function
start:
  adr x0, vector_table
  msr vbar_el1, x0
  adrp x0, stack_end
  add sp, x0, :lo12:stack_end
  bl kernel_main
  wfi
  .size start, . - start
ISR_VECTORS(vector_table, 16, 128)

  .bss
  .balign 16
  .skip 65536
stack_end:
