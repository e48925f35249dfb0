/* Models Sources/Scheduler/Blocking/MutexCore.swift over a wait queue.
 *
 * Three threads, each on a CPU of its own, take the mutex twice each; one of them gives up at any time.
 * The word has an owner and the mark that threads are queued, which is only changed with the queue's lock
 * held. Waking is one step here: what it is made of is in WaitQueue.pml.
 *
 * Checked: one owner at a time, no thread waits while nobody owns the mutex and nobody was woken to take
 * it, each thread gets it as often as it wants but for those that gave up, a thread that was woken once and
 * came too late is not passed by more than those that are before it in the queue, and the mutex is free at
 * the end.
 *
 * Planted bugs:
 *   MARK_BEFORE_QUEUE     the mark is set before the queue's lock is taken
 *   MARK_CLEARED          whoever gives back clears the mark although others are queued
 *   MARK_DROPPED          whoever takes a free mutex drops the mark
 *   RELEASE_UNCHECKED     giving back does not look at the mark
 *   WOKEN_IS_OWNER        a thread that was woken takes itself for the owner
 *   NO_HAND_OVER          a thread that came too late is only woken again
 *   TIMEOUT_IGNORES_OWNER a thread gives up although it was made the owner
 *   FREE_AFTER_WAKE       the word is freed after the first in the queue was woken
 */
#define THREADS 3
#define TURNS 2
#define NOBODY 255

byte owner = NOBODY;         /* the word: owner ... */
bool queued = false;         /* ... and mark */
bool lock = false;           /* the queue's lock */
byte queue[THREADS] = NOBODY;
byte length = 0;
bool impatient[THREADS];
bool asleep[THREADS];
bool woken[THREADS];         /* woken and not gone on yet */
byte passed[THREADS];        /* how often others took it while this one was impatient */
byte inside = 0;
byte got[THREADS];
byte gaveUp = 0;

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

inline pop(node) {
  d_step {
    node = queue[0];
    queue[0] = queue[1];
    queue[1] = queue[2];
    queue[2] = NOBODY;
    length--
  }
}

inline remove(node) {
  d_step {
    if
    :: queue[0] == node -> queue[0] = queue[1]; queue[1] = queue[2]
    :: queue[0] != node && queue[1] == node -> queue[1] = queue[2]
    :: else
    fi;
    queue[2] = NOBODY;
    length--
  }
}

inline critical() {
  d_step {
    inside++;
    assert(inside == 1);
    passed[self] = 0;
    if
    :: self != 0 && impatient[0] && asleep[0] -> passed[0]++; assert(passed[0] <= 2)
    :: else
    fi
  }
  d_step { inside--; got[self]++ }
}

proctype Thread(byte self) {
  byte turn = 0, next;
  bool taken, timedOut;
  do
  :: turn == TURNS -> break
  :: else ->
    turn++;
    taken = false;
    timedOut = false;
    impatient[self] = false;
    atomic {
      if
      :: owner == NOBODY && !queued -> owner = self; taken = true
      :: else
      fi
    }
    do
    :: taken || timedOut -> break
    :: else ->
      /* Spinning: takes it whenever it is seen free, or not. */
      if
      :: atomic { owner == NOBODY -> owner = self };
#ifdef MARK_DROPPED
         queued = false;
#endif
         taken = true
      :: true ->
#ifdef MARK_BEFORE_QUEUE
        atomic { if :: owner != NOBODY -> queued = true :: else fi }
#endif
        acquire();
        atomic {
          if
          :: owner == NOBODY -> owner = self; taken = true
          :: else ->
#ifndef MARK_BEFORE_QUEUE
            queued = true;
#endif
            queue[length] = self;
            length++;
            asleep[self] = true;
            woken[self] = false
          fi
        }
        release();
        if
        :: taken
        :: else ->
          do
          :: woken[self] -> woken[self] = false; break
          :: self == 1 && !woken[self] && !timedOut ->
            /* The timer. */
            acquire();
            if
            :: asleep[self] && !woken[self] ->
              remove(self);
              asleep[self] = false;
              timedOut = true
#ifdef TIMEOUT_IGNORES_OWNER
            :: woken[self] -> woken[self] = false; timedOut = true
#endif
            :: else
            fi;
            release();
            if :: timedOut -> break :: else fi
          od;
          if
          :: timedOut -> gaveUp++
#ifdef WOKEN_IS_OWNER
          :: !timedOut -> taken = true
#else
          :: !timedOut && owner == self -> taken = true
          :: !timedOut && owner != self -> impatient[self] = true
#endif
          fi
        fi
      fi
    od;
    if
    :: taken ->
      impatient[self] = false;
      critical();
      /* Giving back. */
#ifdef RELEASE_UNCHECKED
      atomic { owner = NOBODY; taken = false }
#else
      atomic {
        if
        :: owner == self && !queued -> owner = NOBODY; taken = false
        :: else -> assert(owner == self)
        fi
      }
#endif
      if
      :: taken ->
        acquire();
        if
        :: length == 0 -> d_step { owner = NOBODY; queued = false }
        :: else ->
          pop(next);
#ifdef FREE_AFTER_WAKE
          d_step { asleep[next] = false; woken[next] = true }
#endif
#ifndef NO_HAND_OVER
          if
          :: impatient[next] -> d_step { owner = next; queued = (length > 0) }
          :: else ->
#endif
#ifdef MARK_CLEARED
            d_step { owner = NOBODY; queued = false }
#else
            d_step { owner = NOBODY; queued = (length > 0) }
#endif
#ifndef NO_HAND_OVER
          fi;
#endif
#ifndef FREE_AFTER_WAKE
          d_step { asleep[next] = false; woken[next] = true }
#endif
        fi;
        release()
      :: else
      fi
    :: else
    fi
  od
}

init {
  atomic { run Thread(0); run Thread(1); run Thread(2) }
  timeout ->
  assert(owner == NOBODY && length == 0 && inside == 0);
  assert(got[0] == TURNS && got[2] == TURNS && got[1] + gaveUp == TURNS)
}
