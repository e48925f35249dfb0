// Records which vCPU reads and writes which cache line, while it is in a window.
//
//   qemu-system-x86_64 … -plugin libConflictTrace.so,marks=0xA,out=FILE
//
// The guest says by marks what counts. A mark is the execution of an address: the byte `marks + n`
// is mark n. At the marks 32 to 61 the vCPU that passes them enters the windows 0 to 29, at mark 62
// the one after the window that it entered last, the first time window 0, and at mark 63 it leaves the
// window that it is in. A vCPU outside of all windows is not recorded, so that what the vCPUs need to
// begin a window together does not count as something that they share.
//
// A line is 64 bytes of physical memory; devices are left out. What the MMU writes by itself, the
// bits "accessed" and "dirty" of page tables, is not seen: QEMU calls plugins for instructions.
//
// The file is text, one record per line; only lines that several vCPUs touched in one window are
// in it:
//   apus-conflict-trace 2
//   cpus N
//   window W LINES ACCESSES                      for each window that a vCPU has been in
//   access W LINE VIRTUAL CPU READS WRITES PC BYTES
//                                                what one instruction of a vCPU did to a line, and a
//                                                bit for each byte to which it did it; addresses and
//                                                bits are hexadecimal
//   end COUNT                                    of the records `access`; without this line QEMU
//                                                was killed

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_NAME "ConflictTrace"
#include "plugin_options.h"
#include "qemu_plugin.h"

#define LINE_SIZE 64
#define FIRST_WINDOW 32
#define NEXT_WINDOW 62
#define LEAVING 63
#define NO_WINDOW UINT32_MAX

struct access {
  uint64_t line;
  uint64_t pc;
  // Where the line was seen first by this instruction.
  uint64_t virtual_line;
  uint32_t vcpu;
  uint32_t window;
  // Both are 0 in an entry that is free.
  uint64_t reads;
  uint64_t writes;
  uint64_t bytes;
};

int qemu_plugin_version = 1;

static unsigned int vcpu_count;
// Of each vCPU; written by its thread only: the window that it is in, and the one that follows the
// last that it was in.
static uint32_t *windows;
static uint32_t *next_windows;

// A hash table with open addressing, by line, instruction, vCPU and window.
static struct access *accesses;
static size_t capacity;
static size_t used;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t marks_address;

static bool is_free(const struct access *access) {
  return access->reads == 0 && access->writes == 0;
}

// The entry of an access, or the free one where it is to stand.
static struct access *find(const struct access *wanted) {
  uint64_t hash = wanted->line ^ wanted->pc * 0x9e3779b97f4a7c15 ^ (uint64_t)wanted->vcpu << 40 ^
                  (uint64_t)wanted->window << 48;
  hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
  for (size_t index = (hash ^ hash >> 32) & (capacity - 1);; index = (index + 1) & (capacity - 1)) {
    struct access *access = &accesses[index];
    if (is_free(access) || (access->line == wanted->line && access->pc == wanted->pc &&
                            access->vcpu == wanted->vcpu && access->window == wanted->window)) {
      return access;
    }
  }
}

static void out_of_memory(void) {
  fprintf(stderr, "ConflictTrace: not enough memory for the trace\n");
  exit(1);
}

static void grow(void) {
  struct access *old = accesses;
  size_t old_capacity = capacity;
  capacity *= 2;
  accesses = calloc(capacity, sizeof *accesses);
  if (accesses == NULL) {
    out_of_memory();
  }
  for (size_t index = 0; index < old_capacity; index++) {
    if (!is_free(&old[index])) {
      *find(&old[index]) = old[index];
    }
  }
  free(old);
}

static void record(const struct access *seen, bool is_store) {
  pthread_mutex_lock(&table_lock);
  struct access *access = find(seen);
  if (is_free(access)) {
    *access = *seen;
    used++;
  }
  access->bytes |= seen->bytes;
  if (is_store) {
    access->writes++;
  } else {
    access->reads++;
  }
  if (used > capacity / 2) {
    grow();
  }
  pthread_mutex_unlock(&table_lock);
}

// A bit for each byte from `start` on that is in a line, of which `start` is the first or not.
static uint64_t bytes_of_line(uint64_t start, uint64_t count) {
  uint64_t bits = count >= LINE_SIZE ? UINT64_MAX : ((uint64_t)1 << count) - 1;
  return bits << start % LINE_SIZE;
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *pc) {
  uint32_t window = windows[vcpu];
  if (window == NO_WINDOW) {
    return;
  }
  struct qemu_plugin_hwaddr *hardware = qemu_plugin_get_hwaddr(info, address);
  if (hardware == NULL || qemu_plugin_hwaddr_is_io(hardware)) {
    return;
  }
  uint64_t physical = qemu_plugin_hwaddr_phys_addr(hardware);
  uint64_t size = (uint64_t)1 << qemu_plugin_mem_size_shift(info);
  uint64_t last = physical + size - 1;
  struct access access = {
      .line = physical / LINE_SIZE * LINE_SIZE,
      .virtual_line = address / LINE_SIZE * LINE_SIZE,
      .pc = (uintptr_t)pc,
      .vcpu = vcpu,
      .window = window,
      .bytes = bytes_of_line(physical, size),
  };
  bool is_store = qemu_plugin_mem_is_store(info);
  record(&access, is_store);
  // An access may lie across two lines. Across two pages the second one is somewhere else, and is
  // left out: the kernel aligns what it shares.
  if (last / LINE_SIZE != physical / LINE_SIZE && last % 4096 >= LINE_SIZE - 1) {
    access.line += LINE_SIZE;
    access.virtual_line += LINE_SIZE;
    access.bytes = bytes_of_line(0, last % LINE_SIZE + 1);
    record(&access, is_store);
  }
}

static void pass(unsigned int vcpu, void *mark) {
  uint32_t number = (uint32_t)(uintptr_t)mark;
  if (number == LEAVING) {
    windows[vcpu] = NO_WINDOW;
    return;
  }
  windows[vcpu] = number == NEXT_WINDOW ? next_windows[vcpu] : number - FIRST_WINDOW;
  next_windows[vcpu] = windows[vcpu] + 1;
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(block);
  for (size_t index = 0; index < count; index++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    uint64_t mark = address - marks_address;
    if (address >= marks_address && mark >= FIRST_WINDOW && mark <= LEAVING) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, pass, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(uintptr_t)mark);
    }
    qemu_plugin_register_vcpu_mem_cb(instruction, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, (void *)(uintptr_t)address);
  }
}

static int in_order(const void *left, const void *right) {
  const struct access *a = left;
  const struct access *b = right;
#define COMPARE(field) \
  if (a->field != b->field) return a->field < b->field ? -1 : 1
  COMPARE(window);
  COMPARE(line);
  COMPARE(vcpu);
  COMPARE(pc);
#undef COMPARE
  return 0;
}

// Writes what the sorted accesses from `start` to `end`, all of one line in one window, are.
static size_t write_line(const struct access *start, const struct access *end) {
  if (start->vcpu == end[-1].vcpu) {
    return 0;
  }
  for (const struct access *access = start; access < end; access++) {
    fprintf(output,
            "access %" PRIu32 " %" PRIx64 " %" PRIx64 " %" PRIu32 " %" PRIu64 " %" PRIu64
            " %" PRIx64 " %" PRIx64 "\n",
            access->window, access->line, access->virtual_line, access->vcpu, access->reads,
            access->writes, access->pc, access->bytes);
  }
  return (size_t)(end - start);
}

static void write_trace(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  pthread_mutex_lock(&table_lock);
  // To the front, and in order: the table is not used any more.
  size_t count = 0;
  for (size_t index = 0; index < capacity; index++) {
    if (!is_free(&accesses[index])) {
      accesses[count++] = accesses[index];
    }
  }
  qsort(accesses, count, sizeof *accesses, in_order);

  fprintf(output, "apus-conflict-trace 2\ncpus %u\n", vcpu_count);
  for (size_t start = 0; start < count;) {
    uint64_t lines = 0;
    uint64_t sum = 0;
    size_t index = start;
    for (; index < count && accesses[index].window == accesses[start].window; index++) {
      lines += index == start || accesses[index].line != accesses[index - 1].line;
      sum += accesses[index].reads + accesses[index].writes;
    }
    fprintf(output, "window %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", accesses[start].window, lines,
            sum);
    start = index;
  }
  size_t written = 0;
  for (size_t start = 0; start < count;) {
    size_t end = start + 1;
    while (end < count && accesses[end].line == accesses[start].line &&
           accesses[end].window == accesses[start].window) {
      end++;
    }
    written += write_line(accesses + start, accesses + end);
    start = end;
  }
  fprintf(output, "end %zu\n", written);
  pthread_mutex_unlock(&table_lock);

  close_output();
}

static const struct plugin_options options = {
  1,
  (const struct plugin_option[]){
    {"marks", "ADDRESS", &marks_address, 0, UINT64_MAX},
  },
};

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  if (!info->system_emulation) {
    fprintf(stderr, "ConflictTrace: only whole virtual machines can be traced\n");
    return -1;
  }
  if (!open_output(&options, argc, argv)) {
    return -1;
  }
  vcpu_count = (unsigned int)info->system.max_vcpus;
  windows = malloc(vcpu_count * sizeof *windows);
  next_windows = calloc(vcpu_count, sizeof *next_windows);
  capacity = 1 << 16;
  accesses = calloc(capacity, sizeof *accesses);
  if (windows == NULL || next_windows == NULL || accesses == NULL) {
    fprintf(stderr, "ConflictTrace: not enough memory for the trace\n");
    return -1;
  }
  for (unsigned int vcpu = 0; vcpu < vcpu_count; vcpu++) {
    windows[vcpu] = NO_WINDOW;
  }

  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  qemu_plugin_register_atexit_cb(id, write_trace, NULL);
  return 0;
}
