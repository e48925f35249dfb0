/* Models Sources/Locking/SpinLock.swift: `withLock` and `withLockAndInterruptsDisabled`.
 *
 * Three CPUs lock twice each: all with interrupts on a lock that no interrupt handler uses, or all
 * with interrupts off a lock that the handlers use too. There an interrupt comes once on each CPU,
 * whenever its interrupts are on; its handler locks, and meanwhile the code that it has interrupted
 * stands still. To wait is a single step, since to look once more changes nothing; the head start
 * for those who wait may end at any moment. All interleavings of the single reads, writes and
 * atomic operations are tried, as sequential consistency has them: the memory orders are the
 * business of ThreadSanitizer.
 *
 * Checked: the lock never has two holders; there is no deadlock, and so no handler waits for the
 * code that it has interrupted; no handler ends with interrupts on; in the end the lock is free
 * and nobody counts as waiting.
 *
 * Planted bugs:
 *   TAKE_IN_TWO_STEPS          the lock is read and then written, not exchanged
 *   NO_SECOND_LOOK             after the wait the lock counts as taken without an exchange
 *   WAITING_IS_NOT_LEFT        who gets the lock after a wait still counts as waiting
 *   RELEASE_WITH_INTERRUPTS_ON interrupts go on before the release
 *   INTERRUPT_TAKES_HELD_LOCK  the handler takes a lock that its CPU holds with interrupts on
 */
#define CPUS 3
#define ROUNDS 2

bool isLocked;
byte waiting;
bool interruptsOn[CPUS] = true;
bool inHandler[CPUS];

byte holders;
byte running;                /* processes that have not come to their end */

inline exchange() {
#ifdef TAKE_IN_TWO_STEPS
  was = isLocked;
  isLocked = true
#else
  d_step { was = isLocked; isLocked = true }
#endif
}

inline take() {
  if
  :: waiting != 0 -> was = true
  :: waiting == 0 -> exchange()
  fi;
  if
  :: !was -> skip
  :: was ->
    waiting++;
    do
    :: !isLocked ->
#ifdef NO_SECOND_LOOK
      isLocked = true;
      break
#else
      exchange();
      if
      :: !was -> break
      :: was -> skip
      fi
#endif
    od;
#ifdef WAITING_IS_NOT_LEFT
    skip
#else
    waiting--
#endif
  fi;
  d_step {
    was = false;
    holders++;
    assert(holders == 1)
  }
}

inline release() {
  d_step { holders--; isLocked = false }
}

inline end() {
  d_step {
    running--;
    assert(running != 0 || (waiting == 0 && !isLocked))
  }
}

proctype WithLock() {
  byte round;
  bool was;
  do
  :: round == ROUNDS -> break
  :: else ->
    take();
    release();
    round++
  od;
  end()
}

/* The code that a handler interrupts stands still until the handler's end. */
proctype WithLockAndInterruptsDisabled(byte own) provided (!inHandler[own]) {
  byte round;
  bool was;
  do
  :: round == ROUNDS -> break
  :: else ->
#ifndef INTERRUPT_TAKES_HELD_LOCK
    interruptsOn[own] = false;
#endif
    take();
#ifdef RELEASE_WITH_INTERRUPTS_ON
    interruptsOn[own] = true;
#endif
    release();
    d_step { interruptsOn[own] = true; round++ }
  od;
  end()
}

/* The processor turns interrupts off for a handler, and on again after it; in it, the lock leaves
 * them off. */
proctype Handler(byte own) {
  bool was;
  d_step { interruptsOn[own]; inHandler[own] = true; interruptsOn[own] = false }
  take();
  release();
  d_step {
    assert(!interruptsOn[own]);
    inHandler[own] = false;
    interruptsOn[own] = true
  }
  end()
}

init {
  atomic {
    if
    :: running = 3;
      run WithLock();
      run WithLock();
      run WithLock()
    :: running = 6;
      run WithLockAndInterruptsDisabled(0);
      run WithLockAndInterruptsDisabled(1);
      run WithLockAndInterruptsDisabled(2);
      run Handler(0);
      run Handler(1);
      run Handler(2)
    fi
  }
}
