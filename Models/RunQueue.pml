/* Models Sources/Scheduler: where threads wait for a CPU, and how they get one (Switch.swift,
 * Placement.swift, Idle.swift, Affinity.swift).
 *
 * Three CPUs, three threads. A thread yields, parks, wakes another, or changes another's or its own
 * affinity, in any order and so many times; then it computes for ever. A queue is a set here, so any
 * order by priority is covered. The lock of a CPU's queue is held across a switch and given back by
 * the thread that runs next. Locks are atomic words whose waiters block; memory is sequentially
 * consistent, where the code has a fence or a locked instruction.
 *
 * Checked at each step: a stack is entered by one CPU and only after it was left. Checked when nothing
 * moves any more: no CPU halts while a thread waits that may run there, and no thread waits or runs
 * where it may not.
 *
 * Planted bugs:
 *   UNLOCK_BEFORE_SWITCH   the lock is given back before the stack is left
 *   NO_LOOK_AFTER_ENQUEUE  who puts a thread in a busy CPU's queue does not look for idle CPUs again
 *   SCAN_BEFORE_IDLE       the idle CPU says that it is idle after it has looked for work
 *   NO_KICK_AT_YIELD       a thread that yields to one with another affinity tells no idle CPU
 *   CLAIM_TRUSTED          who puts a thread in an idle CPU's queue does not see that it got other work
 *   NOT_PASSED_ON          a woken CPU that has got a thread wakes no other for what still waits
 *   ONE_PASSED_ON          or only for one thread of each queue
 *   AFFINITY_BEFORE_QUEUE  a thread's affinity is not looked at again after it was put in a queue
 *   AFFINITY_BEFORE_PULL   nor after it was pulled
 *   WIDENED_UNTOLD         a wider affinity of a waiting thread tells no idle CPU
 *   PLACE_READ_TWICE       whether a thread waits, and where, are read one after the other
 */
#define CPUS 3
#define THREADS 3
#define NOBODY 7             /* no thread: the CPU's idle loop */
#define bit(c) (1 << (c))
#ifndef ACTIONS
#define ACTIONS 2            /* of all threads together, beside the waking of who has parked */
#endif

mtype = { running, parking, parked, stays, yields, parks };

byte current[CPUS] = NOBODY;
bool lock[CPUS];
bool interrupt[CPUS];
bool moved[CPUS];            /* the running thread has to leave */
bool halted[CPUS];
byte idle = 0;               /* bits of CPUs */

bool queued[THREADS];
byte place[THREADS];         /* the CPU whose queue or current thread it is or was last */
byte affinity[THREADS] = 7;
mtype state[THREADS] = running;
bool onStack[THREADS];
byte actions = ACTIONS;
#ifndef CHANGES
#define CHANGES 2            /* of affinities, among them */
#endif
byte changes = CHANGES;
byte parkings = 1;

#define sleeps(t) (current[self] != t && state[t] != running)

inline acquire(c) { atomic { !lock[c] -> lock[c] = true } }
inline release(c) { lock[c] = false }

/* A thread in the queue of CPU c, if there is one; any. */
inline pick(c, thread) {
  if
  :: queued[0] && place[0] == c -> thread = 0
  :: queued[1] && place[1] == c -> thread = 1
  :: queued[2] && place[2] == c -> thread = 2
  :: !(queued[0] && place[0] == c) && !(queued[1] && place[1] == c) &&
     !(queued[2] && place[2] == c) -> thread = NOBODY
  fi
}

inline chooseFrom(set, cpu) {
  if
  :: (set) & 1 -> cpu = 0
  :: (set) & 2 -> cpu = 1
  :: (set) & 4 -> cpu = 2
  fi
}

/* Wakes an idle CPU of the mask, if there is one that nobody else wakes; it pulls. */
inline kick(mask) {
  do
  :: atomic {
      (idle & (mask)) != 0 ->
      chooseFrom(idle & (mask), target);
      idle = idle & ~bit(target)
    }
    interrupt[target] = true;
    break
  :: (idle & (mask)) == 0 -> break
  od;
  target = 0
}

/* Puts a thread that is in no queue, and runs nowhere, where it may run. */
inline put(thread) {
  do
  :: true ->
    claimed = false;
    atomic {
      mask = affinity[thread];
      if
      :: (idle & mask) != 0 ->
        chooseFrom(idle & mask, target);
        idle = idle & ~bit(target);
        claimed = true
      :: else ->
        if
        :: mask & bit(self) -> target = self
        :: else -> chooseFrom(mask, target)
        fi
      fi
    }
    acquire(target);
    atomic {
      isAlone = current[target] == NOBODY;
      assert(!queued[thread]);
      place[thread] = target;
      queued[thread] = true
    }
#ifndef AFFINITY_BEFORE_QUEUE
    mask = affinity[thread];
    if
    :: !(mask & bit(target)) ->
      queued[thread] = false;
      release(target);
      if
      :: claimed -> interrupt[target] = true
      :: else
      fi
    :: else ->
#else
    if
    :: true ->
#endif
      release(target);
#ifdef CLAIM_TRUSTED
      isAlone = true;
#endif
      if
      :: claimed -> interrupt[target] = true
      :: else -> isAlone = false
      fi;
#ifndef NO_LOOK_AFTER_ENQUEUE
      if
      :: !isAlone -> kick(mask)
      :: else
      fi;
#endif
      break
    fi
  od;
  atomic { target = 0; mask = 0; claimed = false; isAlone = false }
}

/* By a CPU that was idle and has got a thread, perhaps not the one that it was woken for: wakes
 * another for each thread that still waits. */
inline passOn() {
  do
  :: atomic { idle != 0 && other < CPUS -> other++ }
    if
    :: (queued[0] && place[0] == other - 1) || (queued[1] && place[1] == other - 1) ||
       (queued[2] && place[2] == other - 1) ->
      acquire(other - 1);
      do
      :: mask < THREADS ->
        if
        :: queued[mask] && place[mask] == other - 1 -> kick(affinity[mask])
        :: else
        fi;
        mask++
#ifdef ONE_PASSED_ON
        ; mask = THREADS
#endif
      :: else -> break
      od;
      mask = 0;
      release(other - 1)
    :: else
    fi
  :: else -> break
  od;
  atomic { mask = 0; other = 0 }
}

inline leaveStack(thread) {
  if
  :: thread != NOBODY -> onStack[thread] = false
  :: else
  fi
}
inline enterStack(thread) {
  if
  :: thread != NOBODY -> d_step { assert(!onStack[thread]); onStack[thread] = true }
  :: else
  fi
}

/* Gives the CPU to another thread, which holds the lock until it runs; `how` is what becomes of the
 * one before. Its finish, too, is done by the next one. */
inline switchAway(how) {
  acquire(self);
  atomic {
    previous = current[self];
    pick(self, next);
    if
    :: next != NOBODY -> queued[next] = false
    :: else -> if
      :: how == yields && (affinity[previous] & bit(self)) -> next = previous
      :: else
      fi
    fi;
    if
    :: how == yields && next != previous && (affinity[previous] & bit(self)) ->
      queued[previous] = true; place[previous] = self
    :: how == yields && next != previous && !(affinity[previous] & bit(self)) -> isLeaving = true
    :: else
    fi;
    current[self] = next;
    moved[self] = false
  }
  if
  :: next == previous -> release(self)
  :: else ->
#ifdef UNLOCK_BEFORE_SWITCH
    release(self);
    leaveStack(previous);
    enterStack(next);
#else
    leaveStack(previous);
    enterStack(next);
    release(self);
#endif
    if
    :: how == parks ->
      atomic {
        if
        :: state[previous] == parking -> state[previous] = parked; previous = NOBODY
        :: else -> assert(state[previous] == running)
        fi
      }
      if
      :: previous != NOBODY -> put(previous)
      :: else
      fi
    :: else ->
      /* A thread that may no longer run here was put in no queue above. */
      if
      :: isLeaving -> put(previous)
      :: else ->
#ifndef NO_KICK_AT_YIELD
        if
        :: next == NOBODY || affinity[previous] != affinity[next] ->
          mask = affinity[previous];
          kick(mask);
          mask = 0
        :: else
        fi
#endif
      fi
    fi
  fi;
  atomic { previous = NOBODY; next = NOBODY; isLeaving = false }
}

inline unpark(thread) {
  atomic {
    found = state[thread];
    state[thread] = running
  }
  if
  :: found == parked -> put(thread)
  :: else
  fi;
  found = running
}

inline setAffinity(thread, newMask) {
  affinity[thread] = newMask;
  do
  :: true ->
    other = place[thread];
    acquire(other);
    if
    :: place[thread] != other -> release(other)
    :: else ->
      if
#ifdef PLACE_READ_TWICE
      :: queued[thread] ->
#else
      :: queued[thread] && place[thread] == other ->
#endif
#ifdef WIDENED_UNTOLD
        if
        :: affinity[thread] & bit(other) -> release(other)
        :: else -> queued[thread] = false; release(other); put(thread)
        fi
#else
        queued[thread] = false;
        release(other);
        put(thread)
#endif
      :: !(queued[thread] && place[thread] == other) && current[other] == thread && !(affinity[thread] & bit(other)) ->
        moved[other] = true;
        release(other);
        interrupt[other] = true
      :: else -> release(other)
      fi;
      break
    fi
  od;
  other = 0
}

proctype Processor(byte self) {
  byte previous = NOBODY, next = NOBODY, target, mask, other, subject;
  bool claimed, isAlone, isLeaving, hasFound;
  mtype found = running;
end_processor:
  do
  /* A thread runs. */
  :: atomic { current[self] != NOBODY && actions > 0 && !interrupt[self] -> actions-- }
    if
    :: switchAway(yields)
    :: atomic { parkings > 0 -> parkings--; state[current[self]] = parking }
      switchAway(parks)
    :: atomic {
        changes > 0 -> changes--;
        if
        :: subject = 0
        :: subject = 1
        :: subject = 2
        fi;
        if
        :: other = 1
        :: other = 2
        :: other = 6
        :: other = 7
        fi
      }
      mask = other;
      setAffinity(subject, mask);
      atomic { subject = 0; other = 0; mask = 0 }
    fi
  :: atomic {
      current[self] != NOBODY && !interrupt[self] && (sleeps(0) || sleeps(1) || sleeps(2)) ->
      if
      :: sleeps(0) -> subject = 0
      :: sleeps(1) -> subject = 1
      :: sleeps(2) -> subject = 2
      fi
    }
    unpark(subject);
    subject = 0
  :: current[self] != NOBODY && interrupt[self] ->
    interrupt[self] = false;
    if
    :: moved[self] -> switchAway(yields)
    :: else
    fi
  /* Nobody runs. Interrupts are off but for the halt. */
  :: current[self] == NOBODY ->
#ifndef SCAN_BEFORE_IDLE
    idle = idle | bit(self);
#endif
    do
    :: atomic { other < CPUS && !hasFound -> other++ }
      if
      :: (queued[0] && place[0] == other - 1) || (queued[1] && place[1] == other - 1) ||
         (queued[2] && place[2] == other - 1) ->
        acquire(other - 1);
        atomic {
          if
          :: queued[0] && place[0] == other - 1 && (affinity[0] & bit(self)) -> next = 0
          :: queued[1] && place[1] == other - 1 && (affinity[1] & bit(self)) -> next = 1
          :: queued[2] && place[2] == other - 1 && (affinity[2] & bit(self)) -> next = 2
          :: else -> next = NOBODY
          fi;
          if
          :: next != NOBODY -> queued[next] = false; hasFound = true
          :: else
          fi
        }
        release(other - 1)
      :: else
      fi
    :: else -> break
    od;
    other = 0;
    if
    :: !hasFound ->
#ifdef SCAN_BEFORE_IDLE
      idle = idle | bit(self);
#endif
      halted[self] = true;
end_halt:
      atomic { interrupt[self] -> interrupt[self] = false; halted[self] = false }
    :: else ->
      idle = idle & ~bit(self);
      acquire(self);
      atomic { place[next] = self; current[self] = next }
#ifdef AFFINITY_BEFORE_PULL
      if
      :: true ->
#else
      if
      :: !(affinity[next] & bit(self)) ->
        current[self] = NOBODY;
        release(self);
        put(next)
      :: else ->
#endif
        enterStack(next);
        release(self);
#ifndef NOT_PASSED_ON
        passOn()
#else
        skip
#endif
      fi;
      atomic { next = NOBODY; hasFound = false }
    fi
  od
}

#define waitsFor(t, c) (queued[t] && (affinity[t] & bit(c)) && halted[c] && !interrupt[c])
#define misplaced(t) (queued[t] && !(affinity[t] & bit(place[t])))
#define astray(c) (current[c] != NOBODY && !(affinity[current[c]] & bit(c)))

init {
  atomic {
    current[0] = 0; place[0] = 0; onStack[0] = true;
    current[1] = 1; place[1] = 1; onStack[1] = true;
    queued[2] = true; place[2] = 0;
    run Processor(0);
    run Processor(1);
    run Processor(2)
  }
  timeout ->
  assert(!waitsFor(0, 0) && !waitsFor(0, 1) && !waitsFor(0, 2));
  assert(!waitsFor(1, 0) && !waitsFor(1, 1) && !waitsFor(1, 2));
  assert(!waitsFor(2, 0) && !waitsFor(2, 1) && !waitsFor(2, 2));
  assert(!misplaced(0) && !misplaced(1) && !misplaced(2));
  assert(!astray(0) && !astray(1) && !astray(2))
}
