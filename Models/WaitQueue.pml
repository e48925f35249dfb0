/* Models Sources/Scheduler/WaitQueue.swift and Parking.swift, with a timeout.
 *
 * A semaphore over a wait queue. The threads 0 and 1 take a permit each, thread 0 with a timeout; a
 * third CPU gives two permits, one after the other; the timer's interrupt may come at any time
 * until it is cancelled. The node of a wait lies on the waiter's stack.
 *
 * A thread is parked in two steps: it says that it will (`parking`) while it holds the lock of the
 * queue, and whoever runs on its CPU after it has left its stack makes that `parked`. Who wakes it
 * exchanges the word for `running`: what it finds there says whether the thread is to be put in a
 * run queue, or whether its CPU will find out itself.
 *
 * Checked: no wake-up is lost, each wait ends once and with one result, a thread is put in a run
 * queue by one only and after its stack was left, no node is touched after its wait has ended, and
 * no permit is lost or made.
 *
 * Planted bugs:
 *   PARKING_AFTER_UNLOCK   the thread says that it parks after the lock of the queue is free
 *   PARKED_UNCHECKED       `parked` is stored without looking whether the thread was woken
 *   TIMEOUT_UNCHECKED      the timeout wakes without looking whether the wait is over
 *   NO_CANCEL              the wait ends without the timer being cancelled
 *   NODE_READ_AFTER_WAKE   the waker reads the node after it woke the thread
 *   PERMIT_LEFT            the waker makes a permit as well as handing one over
 *   WAKE_BEFORE_STACK      the waker puts the thread in a run queue while it is still parking
 */
#define WAITERS 2
mtype = { running, parking, parked, none, woken, timedOut };

bool lock = false;
byte permits = 0;
byte taken = 0;              /* permits that waiters got */
byte given = 0;
byte first = 255, second = 255;   /* the queue, of nodes named by their threads */
mtype state[WAITERS] = running;
mtype result[WAITERS] = none;
bool alive[WAITERS];         /* the node exists */
bool onStack[WAITERS] = true;
byte ready[WAITERS];         /* how often in a run queue */
bool timerSet = false;       /* thread 0's */
bool timerLock = false;
bool through[WAITERS];

inline acquire(l) { atomic { !l -> l = true } }
inline release(l) { l = false }

inline unlink(node) {
  d_step {
    assert(alive[node]);
    if
    :: first == node -> first = second
    :: else -> assert(second == node)
    fi;
    second = 255
  }
}

/* By whoever took the node out of the queue. */
inline unpark(thread, found) {
  atomic { found = state[thread]; state[thread] = running }
  if
#ifdef WAKE_BEFORE_STACK
  :: found != running ->
#else
  :: found == parked ->
#endif
    d_step {
      assert(!onStack[thread]);
      ready[thread]++;
      assert(ready[thread] == 1)
    }
  :: else
  fi
}

proctype Waiter(byte self) {
  mtype found;
  acquire(lock);
  if
  :: permits > 0 -> permits--; taken++; release(lock)
  :: else ->
    d_step {
      alive[self] = true;
      result[self] = none;
      if
      :: first == 255 -> first = self
      :: else -> second = self
      fi
    }
#ifndef PARKING_AFTER_UNLOCK
    state[self] = parking;
    release(lock);
#else
    release(lock);
    state[self] = parking;
#endif
    if
    :: self == 0 -> timerSet = true
    :: else
    fi;
    if
    :: state[self] == running -> skip   /* woken before it left */
    :: else ->
      onStack[self] = false;
      /* The next thread on this CPU. */
#ifdef PARKED_UNCHECKED
      state[self] = parked;
#else
      atomic {
        found = state[self];
        if
        :: found == parking -> state[self] = parked
        :: else
        fi
      }
      if
      :: found == running -> d_step { ready[self]++; assert(ready[self] == 1) }
      :: else
      fi;
#endif
      atomic { ready[self] == 1 -> ready[self] = 0; onStack[self] = true }
    fi;
#ifndef NO_CANCEL
    if
    :: self == 0 -> acquire(timerLock); timerSet = false; release(timerLock)
    :: else
    fi;
#endif
    d_step {
      assert(result[self] != none);
      assert(first != self && second != self);
      if
      :: result[self] == woken -> taken++
      :: else
      fi;
      alive[self] = false
    }
  fi;
  through[self] = true
}

proctype Waker() {
  byte count = 0, node;
  mtype found;
  do
  :: count < 2 ->
    count++;
    acquire(lock);
    given++;
    if
    :: first == 255 -> permits++; release(lock)
    :: else ->
      node = first;
      unlink(node);
      result[node] = woken;
#ifdef PERMIT_LEFT
      permits++;
#endif
      release(lock);
      unpark(node, found);
#ifdef NODE_READ_AFTER_WAKE
      assert(alive[node])
#endif
    fi
  :: else -> break
  od
}

/* The handler of the timer, which holds the timer list's lock while it wakes. */
proctype Timer() {
  mtype found;
end_unset:
  do
  :: timerSet ->
    acquire(timerLock);
    if
    :: timerSet ->
      timerSet = false;
      acquire(lock);
      assert(alive[0]);
#ifdef TIMEOUT_UNCHECKED
      result[0] = timedOut;
      if
      :: first == 0 || second == 0 -> unlink(0)
      :: else
      fi;
      release(lock);
      unpark(0, found);
#else
      if
      :: first == 0 || second == 0 ->
        unlink(0);
        result[0] = timedOut;
        release(lock);
        unpark(0, found)
      :: else -> release(lock)
      fi;
#endif
    :: else
    fi;
    release(timerLock)
  od
}

init {
  atomic { run Waiter(0); run Waiter(1); run Waker(); run Timer() }
  timeout ->
  assert(through[0] && through[1]);
  assert(given == 2 && taken + permits == 2)
}
