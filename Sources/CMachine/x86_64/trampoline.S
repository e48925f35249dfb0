// Where a secondary CPU starts: copied to a free page below 1 MiB, entered in real mode with
// CS = page / 16 by the start-up IPI (volume 3, 9.4). All addresses are relative to the page,
// so any page will do. It goes from real mode to long mode in one step.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0

.section .rodata.trampoline, "a", @progbits
.code16
.align 16
.globl apus_trampoline_start, apus_trampoline_end, apus_trampoline_parameters
apus_trampoline_start:
  cli
  movw %cs, %ax
  movw %ax, %ds
  lgdtl (apus_trampoline_parameters - apus_trampoline_start)
  movl (parameter_cr3 - apus_trampoline_start), %eax
  movl %eax, %cr3
  movl (parameter_cr4 - apus_trampoline_start), %eax
  movl %eax, %cr4
  movl $0xC0000080, %ecx
  xorl %edx, %edx
  movl (parameter_efer - apus_trampoline_start), %eax
  wrmsr
  movl (parameter_cr0 - apus_trampoline_start), %eax
  movl %eax, %cr0
  ljmpl $0x08, $apus_secondary_start64

// struct apus_trampoline_parameters
.align 4
apus_trampoline_parameters:
  .word 0
  .long 0
  .word 0
parameter_cr0:
  .long 0
parameter_cr3:
  .long 0
parameter_cr4:
  .long 0
parameter_efer:
  .long 0
apus_trampoline_end:

.section .note.GNU-stack, "", @progbits
#endif
