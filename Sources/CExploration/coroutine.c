#include "cexploration.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)

// The registers that a call preserves lie on the coroutine's own stack, so a coroutine is nothing
// but its stack pointer. About ten times as fast as swapcontext, which asks the host's kernel for
// the signal mask.
struct apus_coroutine {
  void *stack_pointer;
  void *memory;
  size_t size;
};

void apus_switch_stacks(void **from, void *to);
void apus_coroutine_start(void);

__asm__(
    ".text\n"
    ".globl apus_switch_stacks\n"
    ".type apus_switch_stacks, @function\n"
    "apus_switch_stacks:\n"
    "  pushq %rbp\n"
    "  pushq %rbx\n"
    "  pushq %r12\n"
    "  pushq %r13\n"
    "  pushq %r14\n"
    "  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n"
    "  popq %r14\n"
    "  popq %r13\n"
    "  popq %r12\n"
    "  popq %rbx\n"
    "  popq %rbp\n"
    "  ret\n"
    ".size apus_switch_stacks, . - apus_switch_stacks\n"
    ".globl apus_coroutine_start\n"
    ".type apus_coroutine_start, @function\n"
    "apus_coroutine_start:\n"
    "  movq %r12, %rdi\n"
    "  callq *%r13\n"
    "  ud2\n"
    ".size apus_coroutine_start, . - apus_coroutine_start\n");

void apus_coroutine_prepare(
    struct apus_coroutine *coroutine, void (*entry)(void *), void *argument) {
  uint64_t *top = (uint64_t *)((char *)coroutine->memory + coroutine->size) - 2;
  *--top = (uint64_t)(uintptr_t)apus_coroutine_start;
  *--top = 0; // rbp: the end of the chain of frames
  *--top = 0; // rbx
  *--top = (uint64_t)(uintptr_t)argument; // r12
  *--top = (uint64_t)(uintptr_t)entry; // r13
  *--top = 0; // r14
  *--top = 0; // r15
  coroutine->stack_pointer = top;
}

void apus_coroutine_switch(struct apus_coroutine *from, struct apus_coroutine *to) {
  apus_switch_stacks(&from->stack_pointer, to->stack_pointer);
}

#else
#include <ucontext.h>

struct apus_coroutine {
  ucontext_t context;
  void *memory;
  size_t size;
  void (*entry)(void *);
  void *argument;
};

static void start(unsigned high, unsigned low) {
  struct apus_coroutine *coroutine =
      (struct apus_coroutine *)(uintptr_t)((uint64_t)high << 32 | low);
  coroutine->entry(coroutine->argument);
  abort();
}

void apus_coroutine_prepare(
    struct apus_coroutine *coroutine, void (*entry)(void *), void *argument) {
  uint64_t address = (uint64_t)(uintptr_t)coroutine;
  coroutine->entry = entry;
  coroutine->argument = argument;
  getcontext(&coroutine->context);
  coroutine->context.uc_stack.ss_sp = coroutine->memory;
  coroutine->context.uc_stack.ss_size = coroutine->size;
  makecontext(
      &coroutine->context, (void (*)(void))start, 2, (unsigned)(address >> 32), (unsigned)address);
}

void apus_coroutine_switch(struct apus_coroutine *from, struct apus_coroutine *to) {
  swapcontext(&from->context, &to->context);
}
#endif

struct apus_coroutine *apus_coroutine_create(size_t stack_size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = (stack_size + page - 1) / page * page + page;
  struct apus_coroutine *coroutine = calloc(1, sizeof *coroutine);
  if (coroutine == NULL) return NULL;
  void *memory =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    free(coroutine);
    return NULL;
  }
  mprotect(memory, page, PROT_NONE);
  coroutine->memory = memory;
  coroutine->size = size;
  return coroutine;
}

void apus_coroutine_destroy(struct apus_coroutine *coroutine) {
  munmap(coroutine->memory, coroutine->size);
  free(coroutine);
}

struct apus_coroutine *apus_coroutine_of_thread(void) {
  static _Thread_local struct apus_coroutine of_thread;
  return &of_thread;
}
