// Counts the guest instructions that every vCPU executes, and notes all counts at each mark.
//
//   qemu-system-x86_64 … -plugin libInstructionCounter.so,entry=0xA,marks=0xB[,clock=0xC],out=FILE
//
// With `clock` it does not count what is executed, but what costs the guest nothing between marks: 1 is wall time
// and 2 the processor time of the thread that runs the vCPU of the mark, both in nanoseconds of the host; 3 is the
// instructions that were translated for any vCPU. At a mark all vCPUs have the same count.
//
// A mark is the execution of an address: `entry` is mark 0, the byte `marks + n` is mark n. The
// instruction at the mark belongs to what comes after it. `call marks + n` therefore costs the
// count two instructions, the call before the mark and the return after it.
//
// Counting is by instruction, not by translated block. A block's callback counts the whole block
// before any of it has run, so a fault or a device access in its middle, after which QEMU makes a
// new block of the rest, counts instructions that never ran or counts them twice. QEMU's inline
// counters are cheaper, but add to one place for all vCPUs without atomicity. What exactness
// costs, in wall time against a run without a plugin, on QEMU 7.2 with TCG: 1.6 times in a loop of
// 2 instructions (by block 1.3), 4 times in one of 22 instructions, half of them stores (by block
// 1.05). The boots and benchmarks that are counted are short; exactness is worth it.
//
// What counts as an instruction is what QEMU executes as one: each iteration of a `rep`, and each
// attempt of an instruction that faults and is executed again.
//
// The file is text, one record per line:
//   apus-instruction-counts 1
//   cpus N
//   event MARK CPU COUNT0 … COUNT(N-1)     in the order of the marks
//   dropped D                              marks that are not in the file, if there are any
//   total COUNT0 … COUNT(N-1)              the last line: without it QEMU was killed

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLUGIN_NAME "InstructionCounter"
#include "plugin_options.h"
#include "qemu_plugin.h"

#define EVENT_LIMIT 65536
#define MARK_COUNT 64
#define CACHE_LINE 64

// One per vCPU. Each has a cache line of its own: under multi-threaded TCG every vCPU writes its
// counter from its own thread, a billion times.
struct counter {
  _Alignas(CACHE_LINE) _Atomic uint64_t instructions;
};

// Followed in memory by one count per vCPU.
struct event {
  // Set last: at exit another vCPU may be in the middle of writing an event.
  atomic_bool complete;
  uint16_t mark;
  uint32_t vcpu;
  uint64_t counts[];
};

int qemu_plugin_version = 1;

static unsigned int vcpu_count;
static struct counter *counters;

static char *events;
static size_t event_size;
static _Atomic uint64_t event_count;

static uint64_t entry_address;
static uint64_t marks_address;

enum { no_clock, wall_clock, thread_clock, translation_clock };
static uint64_t clock_kind = no_clock;

// Of all vCPUs: QEMU does not say for which it translates.
static _Atomic uint64_t translated_count;

static struct event *event_at(uint64_t index) {
  return (struct event *)(events + index * event_size);
}

static uint64_t count_of(unsigned int vcpu) {
  return atomic_load_explicit(&counters[vcpu].instructions, memory_order_relaxed);
}

// A counter has one writer, its vCPU's thread, so that load, add and store need no lock prefix.
static void count_instruction(unsigned int vcpu, void *data) {
  (void)data;
  atomic_store_explicit(&counters[vcpu].instructions, count_of(vcpu) + 1, memory_order_relaxed);
}

static uint64_t clock_now(void) {
  if (clock_kind == translation_clock) {
    return atomic_load_explicit(&translated_count, memory_order_relaxed);
  }
  struct timespec now;
  clock_gettime(clock_kind == thread_clock ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void record_mark(unsigned int vcpu, void *data) {
  // No ordering with the other vCPUs' counters is needed: the guest's own synchronisation orders
  // what it did before the mark, and their latest few instructions have no defined moment.
  uint64_t index = atomic_fetch_add_explicit(&event_count, 1, memory_order_relaxed);
  if (index < EVENT_LIMIT) {
    struct event *event = event_at(index);
    event->mark = (uint16_t)(uintptr_t)data;
    event->vcpu = vcpu;
    uint64_t time = clock_kind == no_clock ? 0 : clock_now();
    for (unsigned int other = 0; other < vcpu_count; other++) {
      event->counts[other] = clock_kind == no_clock ? count_of(other) : time;
    }
    atomic_store_explicit(&event->complete, true, memory_order_release);
  }
  count_instruction(vcpu, NULL);
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(block);
  atomic_fetch_add_explicit(&translated_count, count, memory_order_relaxed);
  for (size_t index = 0; index < count; index++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    qemu_plugin_vcpu_udata_cb_t callback = count_instruction;
    uintptr_t mark = 0;
    if (address == entry_address) {
      callback = record_mark;
    } else if (address >= marks_address && address - marks_address < MARK_COUNT) {
      callback = record_mark;
      mark = address - marks_address;
    } else if (clock_kind != no_clock) {
      continue;
    }
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, QEMU_PLUGIN_CB_NO_REGS,
                                           (void *)mark);
  }
}

static void write_counts(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  uint64_t made = atomic_load(&event_count);
  uint64_t kept = made < EVENT_LIMIT ? made : EVENT_LIMIT;
  uint64_t dropped = made - kept;

  fprintf(output, "apus-instruction-counts 1\ncpus %u\n", vcpu_count);
  for (uint64_t index = 0; index < kept; index++) {
    struct event *event = event_at(index);
    if (!atomic_load_explicit(&event->complete, memory_order_acquire)) {
      dropped++;
      continue;
    }
    fprintf(output, "event %u %" PRIu32, (unsigned int)event->mark, event->vcpu);
    for (unsigned int vcpu = 0; vcpu < vcpu_count; vcpu++) {
      fprintf(output, " %" PRIu64, event->counts[vcpu]);
    }
    fputc('\n', output);
  }
  if (dropped > 0) {
    fprintf(output, "dropped %" PRIu64 "\n", dropped);
    fprintf(stderr, "InstructionCounter: %" PRIu64 " marks are not in %s: it keeps %d\n", dropped,
            output_path, EVENT_LIMIT);
  }
  fputs("total", output);
  for (unsigned int vcpu = 0; vcpu < vcpu_count; vcpu++) {
    fprintf(output, " %" PRIu64, count_of(vcpu));
  }
  fputc('\n', output);

  close_output();
}

static const struct plugin_options options = {
  3,
  (const struct plugin_option[]){
    {"entry", "ADDRESS", &entry_address, 0, UINT64_MAX, false},
    {"marks", "ADDRESS", &marks_address, 0, UINT64_MAX, false},
    {"clock", "1, 0x2 or 0x3", &clock_kind, wall_clock, translation_clock, true},
  },
};

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  if (!info->system_emulation) {
    fprintf(stderr, "InstructionCounter: only whole virtual machines can be counted\n");
    return -1;
  }
  if (!open_output(&options, argc, argv)) {
    return -1;
  }

  vcpu_count = (unsigned int)info->system.max_vcpus;
  counters = aligned_alloc(CACHE_LINE, vcpu_count * sizeof *counters);
  event_size = sizeof(struct event) + vcpu_count * sizeof(uint64_t);
  // Zeroed by the system page by page when first touched: what no mark uses costs nothing.
  events = calloc(EVENT_LIMIT, event_size);
  if (counters == NULL || events == NULL) {
    fprintf(stderr, "InstructionCounter: not enough memory for the counts\n");
    return -1;
  }
  for (unsigned int vcpu = 0; vcpu < vcpu_count; vcpu++) {
    atomic_init(&counters[vcpu].instructions, 0);
  }

  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  qemu_plugin_register_atexit_cb(id, write_counts, NULL);
  return 0;
}
