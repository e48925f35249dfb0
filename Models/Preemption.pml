/* Models Sources/Scheduler/Preemption.swift with what Placement.swift, Idle.swift and Parking.swift have to do
 * with it, on one CPU: whoever waits there gets it, though the thread that runs never gives way.
 *
 * The CPU's idle loop pulls the thread 0, which computes for ever. The CPUs `Waker` put the threads 1 and 2 in
 * the queue, at any time; thread 2 is more urgent. Each of the three parks once before it computes, if its
 * permit has not come by then, and is preempted anywhere, also between the two steps of parking. The timer's
 * interrupt comes at any time after it was set. An interrupt of another CPU has the CPU look.
 *
 * Checked at each step: a thread is in the queue once, and only off its stack. Checked when nothing moves any
 * more but the timer: whoever waits while another runs has the timer set, or an interrupt is pending; nobody
 * waits who is more urgent than the thread that runs, but for a pending interrupt; nobody sleeps who was woken.
 *
 * Planted bugs:
 *   DISARM_UNLOCKED      the timer's handler finds nobody waiting, and forgets the slice after it gave the lock back
 *   SLICE_UNTOLD         who puts a thread in a busy CPU's queue does not tell it of the slice
 *   URGENCY_UNTOLD       nor that the thread is more urgent
 *   PULL_UNCHECKED       the idle loop runs what it pulled though a more urgent one has come
 *   SLICE_NOT_AT_START   a CPU that was idle sets no timer for those that came while it was
 *   TOLD_TOO_LATE        a CPU that is told of a slice when nobody waits any more counts as told for ever
 *   TOLD_IN_IDLENESS     or when it is idle
 *   PARKED_IN_QUEUE      a preempted thread that is about to park is made parked
 */
#define THREADS 3
#define IDLE 3
#define urgent(t) ((t) == 2)

mtype = { running, parking, parked };

bool lock = false;
byte current = IDLE;
bool queued[THREADS];
bool onStack[THREADS];
mtype state[THREADS] = running;
bool sliced = false;         /* guarded by the lock */
bool timerSet = false;       /* of the CPU */
bool interrupt = false;      /* pending */
bool permit[THREADS];        /* what each thread waits for has come */
bool isThrough[THREADS];     /* it waits for nothing any more */
byte pulled = IDLE;          /* taken by the idle loop, not running yet */
bool isBusy = false;          /* in an interrupt, or in the scheduler */

#define waits(t) (queued[t])
#define someoneWaits (queued[0] || queued[1] || queued[2])
#define moreUrgentWaits(t) (queued[2] && !urgent(t))

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

/* By any CPU: a thread that is in no queue and off its stack. */
inline put(t) {
  atomic {
    !lock -> lock = true;
    assert(!queued[t] && !onStack[t]);
    queued[t] = true;
    tells = false;
    if
    :: current == IDLE -> tells = (pulled == IDLE)   /* as an idle CPU, if it still says that it is */
    :: current != IDLE && urgent(t) && !urgent(current) ->
#ifndef URGENCY_UNTOLD
      tells = true
#else
      skip
#endif
    :: else ->
      if
      :: !sliced ->
        sliced = true;
#ifndef SLICE_UNTOLD
        tells = true
#else
        skip
#endif
      :: else
      fi
    fi;
    lock = false
  }
  if
  :: tells -> interrupt = true
  :: else
  fi
}

/* Wakes a thread, which may be anywhere. */
inline wake(t) {
  atomic { found = state[t]; state[t] = running }
  if
  :: found == parked -> put(t)
  :: else
  fi
}

/* Lets another thread run, or the idle loop; the lock is held. */
inline leaveFor(next, becomesQueued) {
  atomic {
    previous = current;
    onStack[previous] = false;
    if
    :: becomesQueued -> queued[previous] = true
    :: else
    fi;
    current = next;
    if
    :: next != IDLE -> queued[next] = false; assert(!onStack[next]); onStack[next] = true
    :: else
    fi;
    lock = false
  }
}

inline chooseNext(t) {
  if
  :: queued[2] -> t = 2
  :: !queued[2] && queued[0] -> t = 0
  :: !queued[2] && queued[1] -> t = 1
  :: !someoneWaits -> t = IDLE
  fi
}

proctype Processor() {
  byte next = IDLE, previous = IDLE, other = IDLE;
  bool tells, due;
  mtype found;
end:
  do
  /* The idle loop: pulls, then runs what it has, unless that is not right any more. */
  :: atomic { current == IDLE && (someoneWaits || pulled != IDLE) -> isBusy = true }
    if
    :: pulled == IDLE ->
      acquire();
      atomic { chooseNext(pulled); if :: pulled != IDLE -> queued[pulled] = false :: else fi; lock = false }
    :: else
    fi;
    if
    :: pulled != IDLE ->
      acquire();
      if
#ifndef PULL_UNCHECKED
      :: moreUrgentWaits(pulled) ->
        release();
        put(pulled);
        pulled = IDLE
#endif
      :: else ->
#ifdef SLICE_NOT_AT_START
        skip;
#else
        if
        :: someoneWaits -> sliced = true; timerSet = true
        :: else
#ifndef TOLD_IN_IDLENESS
          -> sliced = timerSet
#endif
        fi;
#endif
        atomic { current = pulled; onStack[current] = true; pulled = IDLE; lock = false }
      fi
    :: else
    fi;
    isBusy = false
  :: atomic { current == IDLE && interrupt -> interrupt = false }
  /* A thread: parks once, in two steps, and is interrupted anywhere. */
  :: atomic { current != IDLE && !isThrough[current] && state[current] == running && !permit[current] ->
      state[current] = parking; isThrough[current] = true }
  :: atomic { current != IDLE && !isThrough[current] && permit[current] -> isThrough[current] = true }
  :: atomic { current != IDLE && state[current] == parking -> isBusy = true }
    acquire();
    if
    :: state[current] == running -> release()
    :: else ->
      chooseNext(next);
      other = current;
      leaveFor(next, false);
      /* By the one that runs next. */
      atomic {
        if
        :: state[other] == parking -> state[other] = parked; due = false
        :: else -> due = true
        fi
      }
      if
      :: due -> put(other)
      :: else
      fi;
      atomic { due = false; other = IDLE; next = IDLE; previous = IDLE }
    fi
  /* Interrupts. */
  :: atomic { current != IDLE && interrupt -> interrupt = false; isBusy = true }
    acquire();
    due = moreUrgentWaits(current);
    if
    :: someoneWaits -> sliced = true; timerSet = true
    :: else
#ifndef TOLD_TOO_LATE
      -> sliced = timerSet
#endif
    fi;
    release();
    goto exit
  :: atomic { timerSet -> timerSet = false; isBusy = true }
    acquire();
    if
    :: current == IDLE || !someoneWaits ->
#ifdef DISARM_UNLOCKED
      release();
      sliced = false
#else
      sliced = false;
      release()
#endif
    :: else ->
      timerSet = true;
      due = true;
      release()
    fi;
exit:
    if
    :: due && current != IDLE ->
      due = false;
      acquire();
      chooseNext(next);
      if
      :: next == IDLE || (urgent(current) && !urgent(next)) -> release()
      :: else ->
        other = current;
        leaveFor(next, true);
#ifdef PARKED_IN_QUEUE
        atomic {
          if
          :: state[other] == parking -> state[other] = parked
          :: else
          fi
        }
#endif
        other = IDLE
      fi
    :: else -> due = false
    fi;
    atomic { next = IDLE; previous = IDLE; other = IDLE; isBusy = false }
  od
}

/* Starts a thread, and wakes it. */
proctype Waker(byte t) {
  bool tells;
  mtype found;
  put(t);
  permit[t] = true;
  wake(t)
}

init {
  atomic { run Processor(); run Waker(0); run Waker(1); run Waker(2) }
}

/* What holds whenever the wakers are through and the CPU computes or idles. */
#define computes (current != IDLE && isThrough[current] && state[current] == running)
active proctype Observer() {
end:
  do
  :: atomic {
      _nr_pr == 3 && !isBusy && computes && !interrupt ->
      assert((timerSet || !someoneWaits) && !moreUrgentWaits(current))
    }
  od
}
