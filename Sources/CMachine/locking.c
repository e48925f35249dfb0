// Storage that several CPUs may touch first, and that Swift could only fill in lazily.
#include "locking_storage.h"

static _Alignas(64) uint64_t lock_statistics[APUS_LOCK_STATISTICS_ROWS * 16];

uint64_t *apus_lock_statistics(void) { return lock_statistics; }
