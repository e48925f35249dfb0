// From the PVH entry to Swift on the first CPU, and from the trampoline to Swift on the others.
#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include "cmachine_x86_64.h"

// The PVH boot ABI: a VMM enters in 32-bit protected mode, paging off, EBX = start info.
// Names a function for debuggers and backtraces; END closes it.
.macro FUNCTION name
.globl \name
.type \name, @function
\name:
.endm
.macro END name
.size \name, . - \name
.endm

.section .note.Xen, "a", @note
.align 4
.long 4, 4, 18                  // name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long apus_pvh_entry

.set PRESENT_WRITABLE, 0x3
.set LARGE_PRESENT_WRITABLE, 0x83
.set NO_EXECUTE_HIGH, 0x80000000
.set CR0_PG_WP_NE_MP_PE, 0x80010023
.set CR4_PAE, 0x20
.set CR4_OSFXSR_OSXMMEXCPT, 0x600
.set MSR_EFER, 0xC0000080
.set EFER_LME, 0x100
.set EFER_NXE, 0x800

.section .text.boot, "ax", @progbits
.code32
FUNCTION apus_pvh_entry
  cli
  cld
  movl $apus_boot_stack_top, %esp
  movl %ebx, %ebp

  // The first 4 GiB, identity mapped by 2 MiB pages. Swift refines this table before any other
  // CPU runs: permissions of the image, no page 0, memory above 4 GiB.
  movl $boot_directories, %edi
  movl $LARGE_PRESENT_WRITABLE, %eax
  movl $2048, %ecx
1:
  movl %eax, (%edi)
  movl $NO_EXECUTE_HIGH, 4(%edi)
  addl $0x200000, %eax
  addl $8, %edi
  decl %ecx
  jnz 1b
  // But for the pages around the code.
  movl $__apus_image_start, %eax
  shrl $21, %eax
2:
  movl $0, boot_directories + 4(, %eax, 8)
  incl %eax
  movl %eax, %ecx
  shll $21, %ecx
  cmpl $__apus_text_end, %ecx
  jb 2b
  movl $(boot_pointers + PRESENT_WRITABLE), apus_boot_pml4
  movl $(boot_directories + PRESENT_WRITABLE), boot_pointers
  movl $(boot_directories + 0x1000 + PRESENT_WRITABLE), boot_pointers + 8
  movl $(boot_directories + 0x2000 + PRESENT_WRITABLE), boot_pointers + 16
  movl $(boot_directories + 0x3000 + PRESENT_WRITABLE), boot_pointers + 24

  movl $apus_boot_pml4, %eax
  movl %eax, %cr3
  movl $(CR4_PAE | CR4_OSFXSR_OSXMMEXCPT), %eax
  movl %eax, %cr4
  // NX is part of every x86-64 CPU that has hardware virtualisation, and of TCG's.
  movl $MSR_EFER, %ecx
  rdmsr
  orl $(EFER_LME | EFER_NXE), %eax
  wrmsr
  movl $CR0_PG_WP_NE_MP_PE, %eax
  movl %eax, %cr0
  lgdt boot_gdt_register
  ljmp $0x08, $apus_start64
END apus_pvh_entry

.code64
// The stack segment is a real one: an interrupt's return would make another one of a null selector, and a
// VMM that translates would translate all that has run before it again.
.macro LOAD_SEGMENTS
  xorl %eax, %eax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %fs
  movw %ax, %gs
  movl $0x10, %eax
  movw %ax, %ss
.endm

FUNCTION apus_start64
  LOAD_SEGMENTS
  movl $apus_boot_stack_top, %esp
  movl %ebp, %edi
  xorl %ebp, %ebp                // ends every backtrace
  call apus_boot
1:
  cli
  hlt
  jmp 1b
END apus_start64

// A secondary CPU in long mode, on no stack: its APIC id names its entry in the list.
FUNCTION apus_secondary_start64
  LOAD_SEGMENTS
  xorl %eax, %eax
  cpuid                          // EAX = highest leaf
  cmpl $0xB, %eax
  jb 2f
  movl $0xB, %eax
  xorl %ecx, %ecx
  cpuid
  testl %ebx, %ebx               // EBX = 0: leaf 0xB is not valid (volume 2, CPUID)
  jnz 3f
2:
  movl $1, %eax
  cpuid
  shrl $24, %ebx
  movl %ebx, %edx
3:
  movq apus_secondaries(%rip), %rcx
  movq apus_secondaries + 8(%rip), %rsi
4:
  testq %rcx, %rcx
  jz 6f
  cmpl %edx, (%rsi)
  je 5f
  addq $16, %rsi
  decq %rcx
  jmp 4b
5:
  movq 8(%rsi), %rsp
  movl 4(%rsi), %edi
  xorl %ebp, %ebp
  call apus_secondary_boot
6:                               // not a CPU that was asked for
  cli
  hlt
  jmp 6b
END apus_secondary_start64

// One-byte functions whose addresses the counting plugin watches.
FUNCTION apus_marks
.rept 64
  ret
.endr
END apus_marks

.section .data.boot, "aw", @progbits
.align 16
.globl apus_boot_gdt
apus_boot_gdt:
  .quad 0
  .quad 0x00AF9A000000FFFF       // 0x08: 64-bit code
  .quad 0x00CF92000000FFFF       // 0x10: data
boot_gdt_register:
  .word 23
  .quad apus_boot_gdt
.align 8
.globl apus_secondaries
apus_secondaries:
  .quad 0, 0

.section .bss.boot, "aw", @nobits
// What GS points to until the boot CPU has a block of its own: index 0.
.align 64
.globl apus_boot_block
apus_boot_block:
  .skip APUS_PROCESSOR_BLOCK_SIZE
.align 4096
.globl apus_boot_pml4
apus_boot_pml4:
  .skip 4096
boot_pointers:
  .skip 4096
boot_directories:
  .skip 4096 * 4
// The interrupt descriptor table, the same one for all CPUs.
.align 4096
.globl apus_interrupt_table
apus_interrupt_table:
  .skip 4096
// The page below the stack is unmapped as soon as Swift has refined the table.
.globl apus_boot_stack_guard, apus_boot_stack_top
apus_boot_stack_guard:
  .skip 4096
  .skip 4096 * 4
apus_boot_stack_top:

.section .note.GNU-stack, "", @progbits
#endif
