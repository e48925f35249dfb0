/* Models Sources/Scheduler/Blocking/RWLockCore.swift over a wait queue.
 *
 * Two readers and two writers, each on a CPU of its own, take the lock once; the first writer gives up at
 * any time. The word has a writer, the number of readers, and the mark that threads are queued, which is
 * only changed with the queue's lock held. Waking is one step here: what it is made of is in
 * WaitQueue.pml.
 *
 * Checked: a writer is alone, each thread gets the lock but the one that gave up, no reader waits in front
 * of the queue while others read and nobody is on the way to let it in, no reader passes a writer that
 * waits, and the lock is free at the end.
 *
 * Planted bugs:
 *   MARK_IGNORED         a reader does not look at the mark
 *   MARK_UNCONDITIONAL   the mark is set although the lock has just become free
 *   LAST_READER_SILENT   the last reader does not look at the mark
 *   WRITER_CLEARS        the writer clears the word without looking at the mark
 *   MARK_CLEARED         whoever hands over clears the mark although others are queued
 *   WAKE_BEFORE_STORE    readers are woken before the word says that they are inside
 *   NOBODY_ADMITS        the writer that gives up leaves readers behind it where they are
 *   ADMIT_UNCHECKED      the writer that gives up lets readers in without looking who is inside
 */
#define THREADS 4
#define NOBODY 255
#define isWriter(t) (t >= 2)

bool writer = false;
byte readers = 0;
bool queued = false;
bool lock = false;
byte queue[THREADS] = NOBODY;
byte length = 0;
bool inQueue[THREADS], asleep[THREADS], woken[THREADS], got[THREADS];
bool gaveUp = false;
byte writersInside = 0, readersInside = 0;
bool handing = false;        /* somebody is on the way to hand over */
bool givingUp = false;       /* ... or to let readers in */

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

inline pop(node) {
  d_step {
    node = queue[0];
    inQueue[node] = false;
    queue[0] = queue[1]; queue[1] = queue[2]; queue[2] = queue[3]; queue[3] = NOBODY;
    length--
  }
}

inline remove(node) {
  d_step {
    assert(inQueue[node]);
    inQueue[node] = false;
    if
    :: queue[0] == node -> queue[0] = queue[1]; queue[1] = queue[2]; queue[2] = queue[3]
    :: queue[0] != node && queue[1] == node -> queue[1] = queue[2]; queue[2] = queue[3]
    :: queue[0] != node && queue[1] != node && queue[2] == node -> queue[2] = queue[3]
    :: else
    fi;
    queue[3] = NOBODY;
    length--
  }
}

inline wake(node) { d_step { asleep[node] = false; woken[node] = true } }

inline wakeIfTaken(node) {
  d_step {
    if
    :: taken & (1 << node) -> asleep[node] = false; woken[node] = true
    :: else
    fi
  }
}

/* Nobody is inside but for the writer that leaves; the mark is set. */
inline handOver() {
  acquire();
  admitted = 0;
  taken = 0;
  do
  :: length == 0 ->
    d_step { writer = false; readers = admitted; queued = false }
    break
  :: length > 0 && isWriter(queue[0]) && admitted == 0 ->
    pop(node);
#ifdef MARK_CLEARED
    d_step { writer = true; readers = 0; queued = false }
#else
    d_step { writer = true; readers = 0; queued = (length > 0) }
#endif
    taken = 1 << node;
    break
  :: length > 0 && isWriter(queue[0]) && admitted > 0 ->
    d_step { writer = false; readers = admitted; queued = true }
    break
  :: length > 0 && !isWriter(queue[0]) ->
    pop(node);
    admitted++;
#ifdef WAKE_BEFORE_STORE
    wake(node)
#else
    taken = taken | (1 << node)
#endif
  od;
  handing = false;
  release();
  /* The places are the waiters' own once they are woken. */
  wakeIfTaken(0);
  wakeIfTaken(1);
  wakeIfTaken(2);
  wakeIfTaken(3)
}

inline admitReaders() {
#ifndef NOBODY_ADMITS
  acquire();
  do
  :: length > 0 && !isWriter(queue[0]) ->
    d_step {
#ifdef ADMIT_UNCHECKED
      if
      :: true -> readers++; more = true; node = queue[0]
      fi
#else
      if
      :: writer || readers == 0 -> more = false
      :: else -> readers++; more = true
      fi
#endif
    }
    if
    :: more -> pop(node); d_step { queued = (length > 0); asleep[node] = false; woken[node] = true }
    :: else -> break
    fi
  :: length == 0 ->
    d_step { if :: !writer && readers > 0 -> queued = false :: else fi }
    break
  :: length > 0 && isWriter(queue[0]) -> break
  od;
  givingUp = false;
  release()
#else
  givingUp = false
#endif
}

proctype Thread(byte self) {
  byte node, admitted, taken;
  bool has, late, more;
  /* The quick way, which needs nobody to be queued. */
  atomic {
    if
#ifdef MARK_IGNORED
    :: !isWriter(self) && !writer ->
#else
    :: !isWriter(self) && !writer && !queued ->
#endif
      assert(!asleep[2] && !asleep[3]);
      readers++;
      has = true
    :: isWriter(self) && !writer && readers == 0 && !queued -> writer = true; has = true
    :: else
    fi
  }
  if
  :: has
  :: else ->
    acquire();
    atomic {
      if
#ifndef MARK_UNCONDITIONAL
      :: !queued && !isWriter(self) && !writer -> readers++; has = true
      :: !queued && isWriter(self) && !writer && readers == 0 -> writer = true; has = true
#endif
      :: else ->
        queued = true;
        queue[length] = self;
        inQueue[self] = true;
        length++;
        asleep[self] = true
      fi
    }
    release();
    if
    :: has
    :: else ->
      do
      :: woken[self] -> has = true; break
      :: self == 2 && !woken[self] ->
        acquire();
        if
        :: inQueue[self] -> givingUp = true; remove(self); asleep[self] = false; late = true
        :: else
        fi;
        release();
        if :: late -> break :: else fi
      od
    fi
  fi;
  if
  :: late -> gaveUp = true; admitReaders()
  :: has && isWriter(self) ->
    d_step { writersInside++; assert(writersInside == 1 && readersInside == 0) }
    d_step { writersInside--; got[self] = true }
    more = false;
#ifdef WRITER_CLEARS
    atomic { writer = false }
#else
    atomic {
      assert(writer);
      if
      :: !queued -> writer = false
      :: else -> more = true; handing = true
      fi
    }
#endif
    if :: more -> handOver() :: else fi
  :: has && !isWriter(self) ->
    d_step { readersInside++; assert(writersInside == 0) }
    d_step {
      /* Readers in front of the queue behind nobody but readers: somebody lets them in. */
      assert(!(length > 0 && !isWriter(queue[0]) && !writer && !handing && !givingUp && !lock));
      readersInside--;
      got[self] = true
    }
    more = false;
    atomic {
      readers--;
#ifndef LAST_READER_SILENT
      if
      :: readers == 0 && queued && !writer -> more = true; handing = true
      :: else
      fi
#endif
    }
    if :: more -> handOver() :: else fi
  fi
}

init {
  atomic { run Thread(0); run Thread(1); run Thread(2); run Thread(3) }
  timeout ->
  assert(!writer && readers == 0 && length == 0);
  assert(got[0] && got[1] && got[3] && (got[2] || gaveUp))
}
