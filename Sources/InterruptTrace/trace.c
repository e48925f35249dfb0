// Records which instructions every vCPU executes inside interrupts: what a static checker of
// interrupt code must have found.
//
//   qemu-system-x86_64 … -plugin libInterruptTrace.so,stubs=0xA,size=0xB,switch=0xC,preempt=0xD,out=FILE
//
// `stubs` is where the 256 vectors' stubs begin, at equal distances, and `size` how many bytes they
// take; behind the last one there may be no padding. A vCPU is inside an interrupt, one level
// deeper than before, from the execution of a stub's first instruction to that of an IRETQ: faults
// in handlers and NMIs nest. What a panic runs, which never returns, is inside too. `switch` and
// `preempt` are the functions that change from one thread's stack to another's, or 0: where one runs all of
// the vCPU's interrupts end, since a thread that an interrupt takes off its CPU leaves it to another one.
//
// The callbacks are of instructions, not of translated blocks: a fault may leave a block in its
// middle, and what comes after it did not run. What one costs is told in counter.c. IRETQ without
// a stub before it, which enters a context instead of leaving an interrupt, changes nothing.
//
// The file is text:
//   # isrcheck trace 1
//   # vector 0x41 17        how often a vector was entered, for each that was
//   # inside 0x41 17 2040   how many interrupts of a vector ended, not those within others, and
//                           how many instructions they took, with all that came within them
//   1001a0                  an address, hexadecimal and in ascending order, one per line
//   # end 1                 the number of addresses; without this line QEMU was killed

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_NAME "InterruptTrace"
#include "plugin_options.h"
#include "qemu_plugin.h"

#define CACHE_LINE 64
#define VECTOR_COUNT 256
#define PAGE_SIZE 4096
#define BUCKET_COUNT 1024

// One per vCPU, written by its thread only.
struct level {
  _Alignas(CACHE_LINE) uint32_t depth;
  // Of the outermost interrupt: its vector, and what has run since its entry.
  uint32_t vector;
  uint64_t instructions;
};

// A byte per address of a page of code, set when the instruction there ran inside an interrupt.
// Pages live until QEMU ends, because translated blocks refer to their bytes.
struct page {
  struct page *next;
  uint64_t number;
  atomic_uchar seen[PAGE_SIZE];
};

int qemu_plugin_version = 1;

static struct level *levels;
static _Atomic uint64_t entries[VECTOR_COUNT];
static _Atomic uint64_t ends[VECTOR_COUNT];
static _Atomic uint64_t instructions[VECTOR_COUNT];

// Touched when code is translated, by several vCPUs' threads.
static struct page *buckets[BUCKET_COUNT];
static size_t page_count;
static pthread_mutex_t pages_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t stubs_address;
static uint64_t stubs_size;
static uint64_t stub_distance;
static uint64_t switch_address;
static uint64_t preempt_address;

static void enter(unsigned int vcpu, void *vector) {
  struct level *level = &levels[vcpu];
  if (level->depth++ == 0) {
    level->vector = (uint32_t)(uintptr_t)vector;
    level->instructions = 0;
  }
  atomic_fetch_add_explicit(&entries[(uintptr_t)vector], 1, memory_order_relaxed);
}

static void leave(unsigned int vcpu, void *data) {
  (void)data;
  struct level *level = &levels[vcpu];
  if (level->depth > 0 && --level->depth == 0) {
    atomic_fetch_add_explicit(&ends[level->vector], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&instructions[level->vector], level->instructions,
                              memory_order_relaxed);
  }
}

static void leave_all(unsigned int vcpu, void *data) {
  if (levels[vcpu].depth > 0) {
    levels[vcpu].depth = 1;
    leave(vcpu, data);
  }
}

static void record(unsigned int vcpu, void *seen) {
  if (levels[vcpu].depth > 0) {
    levels[vcpu].instructions++;
    atomic_store_explicit((atomic_uchar *)seen, 1, memory_order_relaxed);
  }
}

// The byte of an address, or NULL when memory is short.
static atomic_uchar *seen_at(uint64_t address) {
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
  return page == NULL ? NULL : &page->seen[address % PAGE_SIZE];
}

static bool is_return(const struct qemu_plugin_insn *instruction) {
  static const unsigned char iretq[] = {0x48, 0xcf};
  return qemu_plugin_insn_size(instruction) == sizeof iretq &&
         memcmp(qemu_plugin_insn_data(instruction), iretq, sizeof iretq) == 0;
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(block);
  for (size_t index = 0; index < count; index++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    atomic_uchar *seen = seen_at(address);
    if (seen == NULL) {
      fprintf(stderr, "InterruptTrace: not enough memory for the trace\n");
      exit(1);
    }
    // Both ends are inside: the level is raised before the first record and lowered after the last.
    uint64_t offset = address - stubs_address;
    if (address >= stubs_address && offset < stubs_size && offset % stub_distance == 0) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, enter, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(uintptr_t)(offset / stub_distance));
    }
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, record, QEMU_PLUGIN_CB_NO_REGS,
                                           (void *)seen);
    if (address == switch_address || address == preempt_address) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, leave_all, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
    if (is_return(instruction)) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, leave, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
  }
}

static int by_number(const void *left, const void *right) {
  const struct page *const *a = left;
  const struct page *const *b = right;
  return ((*a)->number > (*b)->number) - ((*a)->number < (*b)->number);
}

// The pages in the order of their addresses; NULL when memory is short.
static struct page **sorted_pages(void) {
  struct page **pages = calloc(page_count + 1, sizeof *pages);
  if (pages == NULL) {
    return NULL;
  }
  size_t index = 0;
  for (size_t bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    for (struct page *page = buckets[bucket]; page != NULL; page = page->next) {
      pages[index++] = page;
    }
  }
  qsort(pages, page_count, sizeof *pages, by_number);
  return pages;
}

static void write_trace(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  // Other vCPUs' threads may still translate.
  pthread_mutex_lock(&pages_lock);
  struct page **pages = sorted_pages();
  if (pages == NULL) {
    fprintf(stderr, "InterruptTrace: not enough memory to write %s\n", output_path);
    pthread_mutex_unlock(&pages_lock);
    return;
  }
  fputs("# isrcheck trace 1\n", output);
  for (unsigned int vector = 0; vector < VECTOR_COUNT; vector++) {
    uint64_t count = atomic_load_explicit(&entries[vector], memory_order_relaxed);
    if (count > 0) {
      fprintf(output, "# vector 0x%02x %" PRIu64 "\n", vector, count);
    }
  }
  for (unsigned int vector = 0; vector < VECTOR_COUNT; vector++) {
    uint64_t count = atomic_load_explicit(&ends[vector], memory_order_relaxed);
    if (count > 0) {
      fprintf(output, "# inside 0x%02x %" PRIu64 " %" PRIu64 "\n", vector, count,
              atomic_load_explicit(&instructions[vector], memory_order_relaxed));
    }
  }
  uint64_t addresses = 0;
  for (size_t index = 0; index < page_count; index++) {
    for (size_t offset = 0; offset < PAGE_SIZE; offset++) {
      if (atomic_load_explicit(&pages[index]->seen[offset], memory_order_relaxed) != 0) {
        fprintf(output, "%" PRIx64 "\n", pages[index]->number * PAGE_SIZE + offset);
        addresses++;
      }
    }
  }
  fprintf(output, "# end %" PRIu64 "\n", addresses);
  free(pages);
  pthread_mutex_unlock(&pages_lock);

  close_output();
}

static const struct plugin_options options = {
  4,
  (const struct plugin_option[]){
    {"stubs", "ADDRESS", &stubs_address, 0, UINT64_MAX},
    {"size", "BYTES", &stubs_size, VECTOR_COUNT, VECTOR_COUNT * PAGE_SIZE},
    {"switch", "ADDRESS", &switch_address, 0, UINT64_MAX},
    {"preempt", "ADDRESS", &preempt_address, 0, UINT64_MAX},
  },
};

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  if (!info->system_emulation) {
    fprintf(stderr, "InterruptTrace: only whole virtual machines have interrupts\n");
    return -1;
  }
  if (!open_output(&options, argc, argv)) {
    return -1;
  }
  stub_distance = (stubs_size + VECTOR_COUNT - 1) / VECTOR_COUNT;
  size_t bytes = (size_t)info->system.max_vcpus * sizeof *levels;
  levels = aligned_alloc(CACHE_LINE, bytes);
  if (levels == NULL) {
    fprintf(stderr, "InterruptTrace: not enough memory for the trace\n");
    return -1;
  }
  memset(levels, 0, bytes);

  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  qemu_plugin_register_atexit_cb(id, write_trace, NULL);
  return 0;
}
