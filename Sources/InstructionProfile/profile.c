// Counts how often each instruction is executed, in one phase of the guest's work.
//
//   qemu-system-x86_64 … -plugin libInstructionProfile.so,marks=0xA,phase=0xN,out=FILE
//
// The guest says by marks what counts, as for the plugin InstructionCounter: the byte `marks + n` is
// mark n. Mark 10 begins the next phase, of which the first is phase 1. From mark 8 to mark 9 the
// instructions of the vCPU that passes them count, if the phase is the one that is asked for.
//
// The file is text:
//   apus-instruction-profile 1
//   count ADDRESS N        hexadecimal, in ascending order, and how often
//   end E                  the number of such lines; without this line QEMU was killed

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_NAME "InstructionProfile"
#include "plugin_options.h"
#include "qemu_plugin.h"

#define STARTED 8
#define STOPPED 9
#define PHASE 10
#define PAGE_SIZE 4096
#define BUCKET_COUNT 1024

// A count per address of a page of code. Pages live until QEMU ends, because translated blocks
// refer to their counts.
struct page {
  struct page *next;
  uint64_t number;
  _Atomic uint64_t counts[PAGE_SIZE];
};

int qemu_plugin_version = 1;

// Of each vCPU, whether it is between the marks; written by its thread only.
static bool *is_started;
static _Atomic uint64_t phase;

// Touched when code is translated, by several vCPUs' threads.
static struct page *buckets[BUCKET_COUNT];
static size_t page_count;
static pthread_mutex_t pages_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t marks_address;
static uint64_t wanted_phase;

static void on_mark(unsigned int vcpu, void *mark) {
  if ((uintptr_t)mark == PHASE) {
    atomic_fetch_add_explicit(&phase, 1, memory_order_relaxed);
  } else {
    is_started[vcpu] = (uintptr_t)mark == STARTED;
  }
}

static void count(unsigned int vcpu, void *counter) {
  if (is_started[vcpu] && atomic_load_explicit(&phase, memory_order_relaxed) == wanted_phase) {
    atomic_fetch_add_explicit((_Atomic uint64_t *)counter, 1, memory_order_relaxed);
  }
}

// The count of an address, or NULL when memory is short.
static _Atomic uint64_t *counter_at(uint64_t address) {
  uint64_t number = address / PAGE_SIZE;
  struct page **bucket = &buckets[number % BUCKET_COUNT];
  pthread_mutex_lock(&pages_lock);
  struct page *page = *bucket;
  while (page != NULL && page->number != number) {
    page = page->next;
  }
  if (page == NULL && (page = calloc(1, sizeof *page)) != NULL) {
    page->number = number;
    page->next = *bucket;
    *bucket = page;
    page_count++;
  }
  pthread_mutex_unlock(&pages_lock);
  return page == NULL ? NULL : &page->counts[address % PAGE_SIZE];
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t instructions = qemu_plugin_tb_n_insns(block);
  for (size_t index = 0; index < instructions; index++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    uint64_t mark = address - marks_address;
    if (address >= marks_address && mark >= STARTED && mark <= PHASE) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(uintptr_t)mark);
    }
    _Atomic uint64_t *counter = counter_at(address);
    if (counter == NULL) {
      fprintf(stderr, "InstructionProfile: not enough memory for the counts\n");
      exit(1);
    }
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, count, QEMU_PLUGIN_CB_NO_REGS,
                                           (void *)counter);
  }
}

static int by_number(const void *left, const void *right) {
  const struct page *const *a = left;
  const struct page *const *b = right;
  return ((*a)->number > (*b)->number) - ((*a)->number < (*b)->number);
}

static void write_profile(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  // Other vCPUs' threads may still translate.
  pthread_mutex_lock(&pages_lock);
  struct page **pages = calloc(page_count + 1, sizeof *pages);
  if (pages == NULL) {
    fprintf(stderr, "InstructionProfile: not enough memory to write %s\n", output_path);
    pthread_mutex_unlock(&pages_lock);
    return;
  }
  size_t filled = 0;
  for (size_t bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    for (struct page *page = buckets[bucket]; page != NULL; page = page->next) {
      pages[filled++] = page;
    }
  }
  qsort(pages, page_count, sizeof *pages, by_number);

  fputs("apus-instruction-profile 1\n", output);
  uint64_t lines = 0;
  for (size_t index = 0; index < page_count; index++) {
    for (size_t offset = 0; offset < PAGE_SIZE; offset++) {
      uint64_t value = atomic_load_explicit(&pages[index]->counts[offset], memory_order_relaxed);
      if (value > 0) {
        fprintf(output, "count %" PRIx64 " %" PRIu64 "\n",
                pages[index]->number * PAGE_SIZE + offset, value);
        lines++;
      }
    }
  }
  fprintf(output, "end %" PRIu64 "\n", lines);
  free(pages);
  pthread_mutex_unlock(&pages_lock);

  close_output();
}

static const struct plugin_options options = {
  2,
  (const struct plugin_option[]){
    {"marks", "ADDRESS", &marks_address, 0, UINT64_MAX},
    {"phase", "NUMBER", &wanted_phase, 1, UINT64_MAX},
  },
};

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  if (!info->system_emulation) {
    fprintf(stderr, "InstructionProfile: only whole virtual machines can be counted\n");
    return -1;
  }
  if (!open_output(&options, argc, argv)) {
    return -1;
  }
  is_started = calloc((size_t)info->system.max_vcpus, sizeof *is_started);
  if (is_started == NULL) {
    fprintf(stderr, "InstructionProfile: not enough memory for the counts\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  qemu_plugin_register_atexit_cb(id, write_profile, NULL);
  return 0;
}
