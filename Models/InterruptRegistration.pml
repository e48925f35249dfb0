/* Models how a device's handler is registered, moved to another CPU and released, while interrupts come
 * (`Sources/Interrupts/InterruptRegistration.swift`).
 *
 * CPU 0 and 1 take interrupts; an owner, on CPU 2, registers a handler on CPU 0, moves it to CPU 1, releases
 * it and gives its vector there to another registration. The device has a cause and sends a message to
 * where it was last told to send; it may be told late, and a message is on its way for a time.
 *
 * Checked: the handler runs on one CPU at a time, not after `release` has returned, and only for its own
 * registration; a cause of the device is seen by the handler, whenever it came.
 *
 * Planted bugs:
 *   NO_SYNCHRONISATION  `release` does not wait for the CPU on which the handler may run
 *   ANSWERED_INSIDE     a CPU answers calls in the middle of a handler
 *   NO_HOME             a CPU runs the handler without asking whether it is at home there
 *   HOME_BEFORE_WAIT    `move` changes the home before the old one has come to its end
 *   NOT_SENT_AGAIN      `move` does not make up for the interrupt that nobody took
 *   VECTOR_TOO_EARLY    the vector is free before the CPU has taken what is on its way
 *   LEFT_IN_TABLE       `release` leaves the registration in the CPU's table
 */
#define NOBODY 2
#define OWN 0
#define OTHER 1

byte slot[2] = NOBODY;    /* whose handler the vector of a CPU leads to */
byte home = NOBODY;
bool pending[2];          /* the CPU has accepted an interrupt by the vector */
bool asked[2];            /* the CPU has been called, and has not answered */
byte target = 0;          /* where the device sends to */
bool cause;               /* the device wants something */
bool onItsWay;            /* its message */
bool isSilent;            /* it sends no more, and nothing is on its way */
byte running;             /* CPUs in the handler */
bool released;
bool finished;            /* the owner is through with the move */

inline synchronise(cpu) {
  asked[cpu] = true;
  !asked[cpu]
}

active proctype Owner() {
  home = 0;
  slot[0] = OWN;
  /* Move: the new place first, so that nothing comes to a CPU that knows nothing of it. */
  slot[1] = OWN;
#ifdef HOME_BEFORE_WAIT
  home = 1;
#endif
  target = 1;
  slot[0] = NOBODY;
  synchronise(0);
#ifndef HOME_BEFORE_WAIT
  home = 1;
#endif
#ifndef NOT_SENT_AGAIN
  pending[1] = true;
#endif
  finished = true;
  if
  :: skip
  :: true -> /* or stay registered for ever */
    /* Release. The driver makes the device silent first: what it reads from the device comes after the
     * messages that the device has sent. Or it forgets that, which must do no harm to the handler. */
    if
    :: target = NOBODY; !onItsWay; isSilent = true
    :: skip
    fi;
#ifndef LEFT_IN_TABLE
    slot[1] = NOBODY;
#endif
#ifdef VECTOR_TOO_EARLY
    if
    :: isSilent -> slot[1] = OTHER
    :: else
    fi;
#endif
#ifndef NO_SYNCHRONISATION
    synchronise(1);
#endif
    released = true;
    if
    :: isSilent -> slot[1] = OTHER
    :: else
    fi
  fi
}

/* Two messages, each to where the device was told when it looked. */
active proctype Device() {
  byte to, times;
end:
  do
  :: atomic { times < 2 && target != NOBODY -> times++; cause = true; to = target; onItsWay = true }
    atomic { pending[to] = true; onItsWay = false }
  od
}

proctype CPU(byte own) {
  byte found;
end:
  do
  :: atomic { pending[own] -> pending[own] = false; found = slot[own] }
    if
    :: found == OWN ->
#ifndef NO_HOME
      if
      :: home != own -> skip
      :: else ->
#endif
        d_step { assert(!released); running++; assert(running == 1) }
#ifdef ANSWERED_INSIDE
        asked[own] = false;
#endif
        cause = false;
        d_step { assert(!released); running-- }
#ifndef NO_HOME
      fi
#endif
    :: found == OTHER -> assert(false)
    :: else -> skip
    fi
  /* What is pending goes first: a device's vector is above that of calls. */
  :: atomic { asked[own] && !pending[own] -> asked[own] = false }
  od
}

init { atomic { run CPU(0); run CPU(1) } }

/* At rest, with the handler where it was moved to, no cause is left. */
active proctype Watch() {
  timeout -> assert(!(finished && cause && !released))
}
