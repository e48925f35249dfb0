// Spin locks.
#include "kernel.h"

NOINLINE void lock_acquire(struct lock *lock) {
  while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)) {
  }
}
ISR_ACQUIRES(lock_acquire, ISR_LOCK_ARGUMENT(0), "");
ISR_SAFE(lock_acquire);

NOINLINE void lock_release(struct lock *lock) {
  __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}
ISR_RELEASES(lock_release, ISR_LOCK_ARGUMENT(0), "");
ISR_SAFE(lock_release);

NOINLINE word lock_acquire_quietly(struct lock *lock) {
  word flags = interrupts_disable();
  lock_acquire(lock);
  return flags;
}
ISR_ACQUIRES(lock_acquire_quietly, ISR_LOCK_ARGUMENT(0) | ISR_INTERRUPTS_OFF, "");
ISR_SAFE(lock_acquire_quietly);

NOINLINE void lock_release_quietly(struct lock *lock, word flags) {
  lock_release(lock);
  interrupts_restore(flags);
}
ISR_RELEASES(lock_release_quietly, ISR_LOCK_ARGUMENT(0) | ISR_INTERRUPTS_OFF, "");
ISR_SAFE(lock_release_quietly);
