/* Models Sources/Scheduler/PriorityInheritance.swift with MutexCore.swift: who lends what to whom.
 *
 * Thread 0 owns the mutex A, thread 1 owns B and queues for A, thread 2 queues for either and gives up at any
 * time; each is as urgent as its number. Thread 3, as urgent as 0, takes A without the queue's lock when it finds it
 * free, though others are queued. Which of those in a queue is woken, and whether it is handed the mutex, is
 * left open where it is. A thread is gone after its last step, and a mutex when no call on it lasts.
 *
 * Checked: while nothing moves and thread 2 is queued, the owner is as urgent as it is, and so is the owner of
 * A while thread 1 has B and is queued there; a thread that is gone is not looked at, nor a mutex whose
 * waiter has gone on; at the end nothing is lent.
 *
 * Planted bugs:
 *   RANK_READ_FIRST    a thread looks what it inherits before it says for which mutex it waits
 *   NOT_FOLLOWED       the mutex for which an owner waits is not told
 *   UNMARKED_VISIT     the visitor does not keep the thread from going on
 *   LOAN_KEPT          whoever gives a mutex back keeps what it inherits by it
 *   FREE_FOR_LESS_URGENT  a mutex is left free for a thread that is woken, though a more urgent one is queued
 *   COUNTED_ON         a thread that gave up still counts
 *   UNMARKED_OWNER     the owner of a mutex that is not marked is looked at
 */
#define THREADS 4
#define NOBODY 255
#define A 0
#define B 1
#define NONE 2
#define base(t) ((t) == 3 -> 0 : (t))
#define at(m, t) ((m) * THREADS + (t))
#define counts(m, p) count[(m) * 3 + (p)]
#define loan(t, p) loans[(t) * 3 + (p)]
#define priority(t) (loan(t, 2) > 0 -> 2 : (loan(t, 1) > 0 && base(t) < 1 -> 1 : base(t)))
#define highest(m) (counts(m, 2) > 0 -> 2 : (counts(m, 1) > 0 -> 1 : 0))
#define someoneQueued(m) (queued[at(m, 0)] || queued[at(m, 1)] || queued[at(m, 2)] || queued[at(m, 3)])

byte owner[2] = NOBODY;      /* of each mutex: the word ... */
bool mark[2];                /* ... and its mark */
bool lock[2];                /* its queue's */
bool queued[8];
byte count[6];               /* those in the queue, by priority */
byte lent[2];                /* 0 for nothing */
byte loans[12];
byte waitsFor[THREADS] = NONE;
byte visitors[THREADS];
byte rank[THREADS];
byte inCall[THREADS] = NONE; /* the mutex stays for it */
bool gone[THREADS];
bool woken[THREADS];
bool busy[THREADS];

inline acquire(m) { atomic { !lock[m] -> lock[m] = true } }
inline release(m) { lock[m] = false }

/* With the queue's lock; `changed` is the owner if something has. */
inline lend(m) {
  atomic {
    changed = NOBODY;
    if
#ifdef UNMARKED_OWNER
    :: owner[m] != NOBODY ->
#else
    :: owner[m] != NOBODY && mark[m] ->
#endif
      changed = owner[m]
    :: else
    fi
  }
  if
  :: changed != NOBODY ->
    atomic {
      assert(!gone[changed]);
      want = (highest(m) > base(changed) -> highest(m) : 0);
      if
      :: want == lent[m] -> changed = NOBODY
      :: else ->
        if
        :: lent[m] > 0 -> loan(changed, lent[m])--
        :: else
        fi;
        if
        :: want > 0 -> loan(changed, want)++
        :: else
        fi;
        lent[m] = want
      fi;
      want = 0
    }
  :: else
  fi
}

/* With the queue's lock: `changed` is who is to be followed. */
inline visit() {
  if
  :: changed != NOBODY ->
#ifndef UNMARKED_VISIT
    visitors[changed]++;
#endif
    if
    :: waitsFor[changed] != NONE
    :: else ->
#ifndef UNMARKED_VISIT
      visitors[changed]--;
#endif
      changed = NOBODY
    fi
  :: else
  fi
}

inline follow() {
  do
  :: changed == NOBODY -> break
  :: else ->
#ifdef NOT_FOLLOWED
    visitors[changed]--;
    changed = NOBODY
#else
    atomic { visited = changed; changed = NOBODY; assert(!gone[visited]); to = waitsFor[visited] }
    if
    :: to == NONE
    :: else ->
      acquire(to);
      assert(!gone[visited] && inCall[visited] == to);
      if
      :: queued[at(to, visited)] ->
        d_step {
          counts(to, rank[visited])--;
          rank[visited] = priority(visited);
          counts(to, rank[visited])++
        }
        lend(to);
        visit()
      :: else
      fi;
      release(to)
    fi;
#ifndef UNMARKED_VISIT
    visitors[visited]--;
#endif
    atomic { visited = 0; to = 0 }
#endif
  od
}

/* Takes a mutex by way of its queue; `got` says whether, and `mayGiveUp` is a constant. */
inline take(m, mayGiveUp) {
  atomic { busy[self] = true; inCall[self] = m; got = false; over = false }
  do
  :: got || over -> break
  :: else ->
    acquire(m);
    atomic {
      if
      :: owner[m] == NOBODY -> owner[m] = self; got = true
      :: else -> mark[m] = true
      fi
    }
    if
    :: got -> lend(m); changed = NOBODY; release(m)
    :: else ->
#ifdef RANK_READ_FIRST
      rank[self] = priority(self);
      waitsFor[self] = m;
#else
      waitsFor[self] = m;
      rank[self] = priority(self);
#endif
      d_step { counts(m, rank[self])++; queued[at(m, self)] = true }
      lend(m);
      visit();
      release(m);
      follow();
      busy[self] = false;
      if
      :: atomic { woken[self] -> woken[self] = false; busy[self] = true }
      :: atomic { mayGiveUp && !lock[m] && queued[at(m, self)] ->
          queued[at(m, self)] = false; over = true; busy[self] = true }
      fi;
      waitsFor[self] = NONE;
      visitors[self] == 0;
      if
      :: owner[m] == self -> got = true
      :: owner[m] != self && over ->
#ifndef COUNTED_ON
        acquire(m);
        counts(m, rank[self])--;
        lend(m);
        visit();
        release(m);
        follow()
#endif
      :: else
      fi
    fi
  od;
  atomic { inCall[self] = NONE; busy[self] = false }
}

inline giveBack(m) {
  atomic {
    busy[self] = true;
    assert(owner[m] == self);
    inCall[self] = m;
    if
    :: !mark[m] -> owner[m] = NOBODY; done = true
    :: else -> done = false
    fi
  }
  if
  :: done
  :: else ->
    acquire(m);
    d_step {
#ifndef LOAN_KEPT
      if
      :: lent[m] > 0 -> loan(self, lent[m])--
      :: else
      fi;
#endif
      lent[m] = 0
    }
    if
    :: atomic { !someoneQueued(m) -> owner[m] = NOBODY; mark[m] = false }
    :: else ->
      if
      :: atomic { queued[at(m, 1)] -> next = 1 }
      :: atomic { queued[at(m, 2)] -> next = 2 }
      :: atomic { queued[at(m, 3)] -> next = 3 }
      fi;
      d_step { queued[at(m, next)] = false; counts(m, rank[next])-- }
      if
      :: atomic { owner[m] = next; mark[m] = someoneQueued(m) }
#ifdef FREE_FOR_LESS_URGENT
      :: atomic { owner[m] = NOBODY; mark[m] = someoneQueued(m) }
#else
      :: atomic { highest(m) <= base(next) -> owner[m] = NOBODY; mark[m] = someoneQueued(m) }
#endif
      fi;
      lend(m);
      changed = NOBODY;
      woken[next] = true;
      next = 0
    fi;
    release(m)
  fi;
  atomic { done = false; inCall[self] = NONE; busy[self] = false }
}

proctype Owner() {
  byte self = 0, changed = NOBODY, want, next;
  bool done;
  giveBack(A);
  gone[self] = true
}

proctype Middle() {
  byte self = 1, changed = NOBODY, want, next, visited, to;
  bool got, over, done;
  take(A, false);
  giveBack(A);
  giveBack(B);
  gone[self] = true
}

proctype Urgent() {
  byte self = 2, changed = NOBODY, want, next, visited, to;
  bool got, over, done;
  if
  :: true -> take(B, true);
    if
    :: got -> giveBack(B)
    :: else
    fi
  :: true -> take(A, true);
    if
    :: got -> giveBack(A)
    :: else
    fi
  fi;
  gone[self] = true
}

proctype Taker() {
  byte self = 3, changed = NOBODY, want, next;
  bool done;
  if
  :: atomic { owner[A] == NOBODY -> owner[A] = self };
    giveBack(A)
  :: true
  fi;
  gone[self] = true
}

/* A thread that was woken may be long in getting a CPU. */
#define isStill (!busy[0] && !busy[1] && !busy[2] && !busy[3])

active proctype Observer() {
end:
  do
  :: atomic { isStill && queued[at(B, 2)] ->
      assert(owner[B] != NOBODY && priority(owner[B]) == 2);
      if
      :: queued[at(A, 1)] && owner[B] == 1 ->
        assert(owner[A] != NOBODY && priority(owner[A]) == 2)
      :: else
      fi
    }
  :: atomic { isStill && queued[at(A, 2)] ->
      assert(owner[A] != NOBODY && priority(owner[A]) == 2)
    }
  od
}

init {
  byte p;
  atomic {
    owner[A] = 0;
    owner[B] = 1;
    run Owner();
    run Middle();
    run Urgent();
    run Taker()
  }
  gone[0] && gone[1] && gone[2] && gone[3];
  assert(owner[A] == NOBODY && owner[B] == NOBODY && lent[A] == 0 && lent[B] == 0);
  for (p : 0 .. 11) { assert(loans[p] == 0) }
  for (p : 0 .. 5) { assert(count[p] == 0) }
}
