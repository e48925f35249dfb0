// The part of QEMU's TCG plugin interface, version 1, that the plugins of the project use.
//
// Debian packages no qemu-plugin.h, so the few prototypes are declared here by hand. They are
// resolved in the QEMU process that loads the plugin. Debian 12 has QEMU 7.2, whose interface has
// version 1; a QEMU that only takes later versions refuses the plugin and says so.

#ifndef APUS_QEMU_PLUGIN_H
#define APUS_QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t qemu_plugin_id_t;

// What QEMU tells a plugin about itself when it loads it.
typedef struct {
  const char *target_name;
  struct {
    int min;
    int cur;
  } version;
  bool system_emulation;
  union {
    struct {
      int smp_vcpus;
      int max_vcpus;
    } system;
  };
} qemu_info_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;

// What a callback does with the guest's registers. The plugins leave them alone.
enum qemu_plugin_cb_flags {
  QEMU_PLUGIN_CB_NO_REGS,
  QEMU_PLUGIN_CB_R_REGS,
  QEMU_PLUGIN_CB_RW_REGS,
};

typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void *data);
typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *data);

// Calls `callback` whenever a block of guest code has been translated.
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           qemu_plugin_vcpu_tb_trans_cb_t callback);

// Number of guest instructions in a block, and one of them.
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);

// The virtual address at which the instruction was translated.
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

// The bytes of the instruction, and their number.
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

// Calls `callback` right before every execution of the instruction. Several callbacks of one
// instruction are called in the order in which they were registered.
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            qemu_plugin_vcpu_udata_cb_t callback,
                                            enum qemu_plugin_cb_flags flags, void *data);

// Of one access to memory: its size as a power of two, whether it writes, and in which byte order.
typedef uint32_t qemu_plugin_meminfo_t;

// Which accesses are wanted.
enum qemu_plugin_mem_rw {
  QEMU_PLUGIN_MEM_R = 1,
  QEMU_PLUGIN_MEM_W,
  QEMU_PLUGIN_MEM_RW,
};

typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned int vcpu, qemu_plugin_meminfo_t info,
                                          uint64_t virtual_address, void *data);

// Calls `callback` right after every access to memory of the instruction, that of a string
// instruction's iteration included. An atomic instruction reads and writes.
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction,
                                      qemu_plugin_vcpu_mem_cb_t callback,
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
                                      void *data);

// The size of an access in bytes is two to the power of this.
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

// What is behind a virtual address, only inside of the callback of the access to it: a device, or
// memory at a physical address.
struct qemu_plugin_hwaddr;
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
                                                  uint64_t virtual_address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *address);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *address);

// Calls `callback` when QEMU exits in an orderly way (the guest's exit and SIGTERM, not SIGKILL).
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t callback,
                                    void *data);

// What QEMU looks for in a plugin: the interface version it was written for, and its start.
extern int qemu_plugin_version;
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

#endif
