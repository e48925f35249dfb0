/* Models Sources/Scheduler/Timers.swift: timers per CPU, which are set on the CPU of the caller and cancelled from any.
 *
 * A sleeper sets its timer on CPU 0, is moved, cancels it from CPU 1, sets it again there and waits for
 * it to the end; another thread has a timer on CPU 1 that nobody cancels. A third one has a timer on CPU 0 that
 * goes off again and again, and cancels it from CPU 1.
 * Each CPU has a hardware timer for one moment, set again by the handler for the next in the list.
 * Time passes when it likes.
 *
 * Checked: a timer without a period goes off once at most; none goes off early, or for a turn that was over when
 * the handler began; after `cancel` nobody touches it; a timer that is not cancelled goes off; `cancel` says
 * rightly whether it would still have gone off.
 *
 * Planted bugs:
 *   CANCEL_UNLOCKED     `cancel` trusts what it reads without the lock, and does not wait for a handler
 *   CANCEL_ON_OWN_CPU   `cancel` takes the lock of the CPU that it runs on
 *   FIRE_UNLOCKED       the handler lets go of the lock between taking a timer out and its function
 *   NOT_SET_AGAIN       the handler sets the hardware for no later timer
 *   CANCEL_STOPS        `cancel` stops the hardware, though other timers wait for it
 *   PERIOD_UNLOCKED     the handler puts a timer with a period back after it let go of the lock
 *   LATE_TURNS          turns that come too late are not left out
 */
#define TIMERS 3
#define NEVER 15

mtype = { unset, set, fired };

byte now = 0;
bool lock[2];
byte hardware[2] = NEVER;    /* when the interrupt comes; its coming forgets it */
mtype state[TIMERS] = unset;
byte deadline[TIMERS];
byte period[TIMERS];         /* 0 for once */
byte home[TIMERS];           /* the CPU in whose list it is */
byte firings[TIMERS];
bool alive[TIMERS];          /* the memory is the timer's */
bool busy[2];                /* the CPU is in the handler, so its thread does nothing */

inline acquire(c) { atomic { !lock[c] -> lock[c] = true } }
inline release(c) { lock[c] = false }

/* On the CPU `cpu`, with interrupts off there: no handler runs meanwhile. */
inline setTimer(timer, cpu, moment, every) {
  atomic { !lock[cpu] && !busy[cpu] -> lock[cpu] = true }
  atomic {
    state[timer] = set;
    deadline[timer] = moment;
    period[timer] = every;
    home[timer] = cpu;
    alive[timer] = true;
    firings[timer] = 0;
    if
    :: moment < hardware[cpu] -> hardware[cpu] = moment
    :: else
    fi
  }
  release(cpu)
}

inline cancel(timer, own, was) {
#ifdef CANCEL_UNLOCKED
  if
  :: state[timer] == fired -> was = fired
  :: else ->
#endif
#ifdef CANCEL_ON_OWN_CPU
  acquire(own);
#else
  acquire(home[timer]);
#endif
  was = state[timer];
  state[timer] = unset;
#ifdef CANCEL_STOPS
  hardware[home[timer]] = NEVER;
#endif
#ifdef CANCEL_ON_OWN_CPU
  release(own)
#else
  release(home[timer])
#endif
#ifdef CANCEL_UNLOCKED
  fi
#endif
}

proctype Sleeper() {
  mtype was;
  setTimer(0, 0, 1, 0);
  cancel(0, 1, was);
  d_step {
    assert((was == fired) == (firings[0] == 1));
    alive[0] = false;
    state[0] = unset
  }
  setTimer(0, 1, 3, 0);
  firings[0] == 1;
  cancel(0, 0, was);
  d_step { assert(was == fired); alive[0] = false; state[0] = unset }
}

proctype Other(byte timer; byte cpu; byte moment) {
  mtype was;
  setTimer(timer, cpu, moment, 0);
  firings[timer] == 1;
  cancel(timer, cpu, was);
  alive[timer] = false
}

proctype Periodic() {
  mtype was;
  setTimer(2, 0, 1, 1);
  firings[2] >= 1;
  cancel(2, 1, was);
  d_step { assert(was == set); alive[2] = false; state[2] = unset }
}

/* The earliest that is due, or TIMERS; and the next moment of the list. */
inline look(cpu, due, next) {
  d_step {
    due = TIMERS;
    next = NEVER;
    index = 0;
    do
    :: index < TIMERS ->
      if
      :: state[index] == set && home[index] == cpu ->
        if
        :: deadline[index] <= began -> due = index
        :: deadline[index] > began && deadline[index] < next -> next = deadline[index]
        :: else
        fi
      :: else
      fi;
      index++
    :: else -> break
    od;
    index = 0
  }
}

proctype Handler(byte cpu) {
  byte due, next, index, began;
end_handler:
  do
  :: atomic { hardware[cpu] <= now && !lock[cpu] -> hardware[cpu] = NEVER; busy[cpu] = true; lock[cpu] = true; began = now }
    do
    :: look(cpu, due, next);
      if
      :: due == TIMERS -> break
      :: else ->
        atomic {
          assert(deadline[due] <= began);
          if
          :: period[due] == 0 -> state[due] = fired
#ifdef PERIOD_UNLOCKED
          :: else -> state[due] = fired
#else
          :: else ->
#ifdef LATE_TURNS
            deadline[due] = deadline[due] + period[due];
            assert(deadline[due] > began)
#else
            deadline[due] = deadline[due] + ((began - deadline[due]) / period[due] + 1) * period[due]
#endif
#endif
          fi
        }
#ifdef FIRE_UNLOCKED
        release(cpu);
#endif
        d_step {
          assert(alive[due]);
          firings[due]++;
          assert(firings[due] == 1 || period[due] != 0)
        }
#ifdef FIRE_UNLOCKED
        acquire(cpu);
#endif
        /* Its function is done: only now may the memory go. */
        assert(alive[due]);
#ifdef PERIOD_UNLOCKED
        if
        :: period[due] != 0 ->
          release(cpu);
          state[due] = set;
          deadline[due] = began + 1;
          acquire(cpu)
        :: else
        fi
#endif
      fi
    od;
#ifndef NOT_SET_AGAIN
    hardware[cpu] = next;
#endif
    release(cpu);
    atomic { busy[cpu] = false; due = 0; next = 0; began = 0 }
  od
}

proctype Clock() {
  do
  :: now < 4 -> now++
  :: else -> break
  od
}

init {
  atomic {
    run Handler(0); run Handler(1); run Clock();
    run Sleeper(); run Other(1, 1, 2); run Periodic()
  }
}
