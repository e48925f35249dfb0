/* Models work that interrupts schedule and a thread of each CPU does (`Sources/Scheduler/WorkQueue.swift`).
 *
 * Each of two CPUs schedules the same work once, at any time, from an interrupt or a thread; each has a thread
 * that does what is in its queue. A third CPU cancels the work at some time, and takes its memory back when
 * the other two are through with it. Locks of queues are held where a step changes more than one thing.
 *
 * Checked: the body runs on one CPU at a time; what was written before `schedule` is seen by a run that begins
 * after it, or `cancel` has taken the run back; after `cancel` the body does not run, and nobody touches the work
 * that is not scheduled anew.
 *
 * Planted bugs:
 *   FORGOTTEN_AGAIN     the end of a run does not look whether the work was scheduled meanwhile
 *   PUT_IN_TWICE        work that runs is put into the queue of another CPU
 *   CANCEL_UNAWAITED    `cancel` does not wait for a run
 *   CANCEL_LEAVES       `cancel` leaves the work in the queue
 *   TOLD_TOO_EARLY      the end tells those who wait before its last touch
 *   NO_PERMIT           work that is put back is not told of
 */
#define IDLE 0
#define QUEUED 1
#define RUNNING 2
#define AGAIN 3

byte state = IDLE;
byte place;               /* the CPU in whose queue it is, or whose thread has it */
bool awaited;
bool queued[2];
byte permits[2];
bool wanted;              /* written before `schedule`, and not seen by a run */
byte running;
bool gone;                /* the memory */
bool isOver;              /* cancelled, and nobody schedules any more */
byte schedulers = 2;

proctype Scheduler(byte own) {
  if
  :: skip
  :: atomic {
      wanted = true;
      assert(!gone);
      if
      :: state == IDLE -> state = QUEUED; place = own; queued[own] = true; permits[own]++
      :: state == RUNNING ->
#ifdef PUT_IN_TWICE
        queued[own] = true; permits[own]++
#else
        state = AGAIN
#endif
      :: else
      fi
    }
  fi;
  schedulers--
}

proctype Worker(byte own) {
  bool again, tell;
end:
  do
  :: atomic { permits[own] > 0 -> permits[own]-- }
    atomic {
      if
      :: queued[own] -> queued[own] = false; assert(!gone); state = RUNNING; place = own
      :: else -> again = false; tell = false; goto end
      fi
    }
    d_step { assert(!isOver && !gone); running++; assert(running == 1); wanted = false }
    d_step { assert(!isOver && !gone); running-- }
#ifdef TOLD_TOO_EARLY
    awaited = false;
#endif
    atomic {
      assert(!gone);
#ifdef FORGOTTEN_AGAIN
      again = false;
#else
      again = state == AGAIN;
#endif
      awaited = false;
      if
      :: again -> state = QUEUED; queued[own] = true
      :: else -> state = IDLE
      fi
    }
    if
#ifndef NO_PERMIT
    :: again -> permits[own]++
#endif
    :: else
    fi;
    atomic { again = false; tell = false }
  od
}

proctype Canceller() {
  bool mustWait;
  schedulers == 0;
  if
  :: skip
  :: atomic {
      if
      :: state == IDLE
      :: state == QUEUED ->
        state = IDLE; wanted = false;
#ifndef CANCEL_LEAVES
        queued[place] = false
#endif
      :: state == RUNNING || state == AGAIN ->
        if
        :: state == AGAIN -> state = RUNNING; wanted = false
        :: else
        fi;
        awaited = true; mustWait = true
      fi
    }
#ifndef CANCEL_UNAWAITED
    if
    :: mustWait -> !awaited
    :: else
    fi;
#endif
    atomic { isOver = true; gone = true }
  fi
}

init { atomic { run Scheduler(0); run Scheduler(1); run Worker(0); run Worker(1); run Canceller() } }

/* At rest nothing is left undone. */
active proctype Watch() {
  timeout -> assert(!wanted)
}
