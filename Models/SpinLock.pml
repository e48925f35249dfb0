/* Models Sources/Locking/SpinLock.swift: `withLock` and `withLockAndInterruptsDisabled`.
 *
 * Three CPUs lock twice each: all with interrupts on a lock that no interrupt handler uses, or all
 * with interrupts off a lock that the handlers use too. There an interrupt comes once on each CPU,
 * whenever its interrupts are on; its handler locks, and meanwhile the code that it has interrupted
 * stands still. To wait is a single step, since to look once more changes nothing. Tickets are
 * numbers modulo 4, so that they start anew within the run. All interleavings of the single reads,
 * writes and atomic operations are tried, as sequential consistency has them: the memory orders are
 * the business of ThreadSanitizer.
 *
 * Checked: the lock never has two holders; who comes first is served first; everybody gets the
 * lock, and so no handler waits for the code that it has interrupted; no handler ends with
 * interrupts on.
 *
 * Planted bugs:
 *   TAKE_IN_TWO_STEPS          `next` is read and then written
 *   RELEASE_BY_INCREMENT_OF_NEXT the release adds one to `next`, not to `serving`
 *   RELEASE_OF_NEXT            the release serves the ticket that is given out next
 *   WAIT_UNTIL_PASSED          a ticket below `serving` counts as served
 *   TICKET_WITH_INTERRUPTS_ON  the ticket is drawn before interrupts go off
 *   RELEASE_WITH_INTERRUPTS_ON interrupts go on before the release
 *   INTERRUPT_TAKES_HELD_LOCK  the handler takes a lock that its CPU holds with interrupts on
 */
#define CPUS 3
#define ROUNDS 2
#define TICKETS 4            /* more than can wait at once */

byte next, serving;
bool interruptsOn[CPUS] = true;
bool inHandler[CPUS];

byte came, served;           /* how many have drawn a ticket, and how many have got the lock */
byte holders;

/* `place` is the place in the queue that the ticket should stand for. */
inline drawTicket() {
#ifdef TAKE_IN_TWO_STEPS
  ticket = next;
  d_step { next = (ticket + 1) % TICKETS; place = came; came++ }
#else
  d_step { ticket = next; next = (ticket + 1) % TICKETS; place = came; came++ }
#endif
}

inline waitForTurn() {
  d_step {
#ifdef WAIT_UNTIL_PASSED
    serving >= ticket;
#else
    serving == ticket;
#endif
    holders++;
    assert(holders == 1);
    assert(served == place);
    served++
  }
}

inline release() {
  d_step {
    holders--;
#ifdef RELEASE_BY_INCREMENT_OF_NEXT
    next = (next + 1) % TICKETS;
#else
#ifdef RELEASE_OF_NEXT
    serving = next;
#else
    serving = (ticket + 1) % TICKETS;
#endif
#endif
    ticket = 0;
    place = 0
  }
}

proctype WithLock() {
  byte round, ticket, place;
  do
  :: round == ROUNDS -> break
  :: else ->
    drawTicket();
    waitForTurn();
    release();
    round++
  od
}

/* The code that a handler interrupts stands still until the handler's end. */
proctype WithLockAndInterruptsDisabled(byte own) provided (!inHandler[own]) {
  byte round, ticket, place;
  do
  :: round == ROUNDS -> break
  :: else ->
#ifdef TICKET_WITH_INTERRUPTS_ON
    drawTicket();
    interruptsOn[own] = false;
#else
#ifndef INTERRUPT_TAKES_HELD_LOCK
    interruptsOn[own] = false;
#endif
    drawTicket();
#endif
    waitForTurn();
#ifdef RELEASE_WITH_INTERRUPTS_ON
    interruptsOn[own] = true;
#endif
    release();
    d_step { interruptsOn[own] = true; round++ }
  od
}

/* The processor turns interrupts off for a handler, and on again after it; in it, the lock leaves
 * them off. */
proctype Handler(byte own) {
  byte ticket, place;
  d_step { interruptsOn[own]; inHandler[own] = true; interruptsOn[own] = false }
  drawTicket();
  waitForTurn();
  release();
  d_step {
    assert(!interruptsOn[own]);
    inHandler[own] = false;
    interruptsOn[own] = true
  }
}

init {
  atomic {
    if
    :: run WithLock();
      run WithLock();
      run WithLock()
    :: run WithLockAndInterruptsDisabled(0);
      run WithLockAndInterruptsDisabled(1);
      run WithLockAndInterruptsDisabled(2);
      run Handler(0);
      run Handler(1);
      run Handler(2)
    fi
  }
}
