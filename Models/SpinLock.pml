/* Models Sources/Locking/SpinLockCore.swift and SpinLockQueue.swift: a word that says whether the lock is
 * taken, and a queue of those who wait, whose head alone tries the word.
 *
 * Three CPUs lock once each, and one of them twice where no handlers run. A waiter whose turn does not come may at any
 * moment take a lock that it sees free, past the queue: its node stays there, marked as abandoned,
 * until the one behind skips it. Without a free node it waits outside of the queue. To wait is a
 * single step, since to look once more changes nothing.
 *
 * Three worlds, one of which is chosen at the start:
 *   0  No handlers run. CPU 0 may stand still from any moment at which it does not hold the lock until
 *      the others are through: they must not need it.
 *   1  The lock is one that interrupt handlers use too, and taken with interrupts off. An interrupt comes
 *      on CPUs 0 and 1, whenever their interrupts are on; meanwhile what it interrupted stands still.
 *   2  The lock of CPUs 0 and 1 is one that no handler uses, taken with interrupts on; their handlers
 *      and CPU 2 take another one. Only the nodes are the same, and the thread is interrupted in the
 *      middle of its queueing.
 *
 * All interleavings of the single reads, writes and atomic operations are tried, as sequential
 * consistency has them: the memory orders are the business of ThreadSanitizer.
 *
 * Checked: a lock never has two holders; no deadlock; a node that is given free was in use, and by
 * somebody else than the one that takes it next; no handler ends with interrupts on; in the end the
 * locks are free, and every node is free or abandoned in a queue that the next one to come clears.
 *
 * Planted bugs:
 *   NO_SECOND_LOOK             the head sees the lock free and counts it as taken, without an exchange
 *   NEVER_PAST_THE_QUEUE       who waits takes the lock in its turn only
 *   GRANT_LOST                 the head leaves by writing that the queue is empty, not by comparing
 *   FREE_WITH_SUCCESSOR        the head frees its node although somebody waits on it
 *   ABANDON_AS_GRANTED         an abandoned node says that the head is gone, not who is in front
 *   NODE_IN_TWO_STEPS          a free node is found and then marked, with an interrupt in between
 *   RELEASE_WITH_INTERRUPTS_ON interrupts go on before the release
 *   INTERRUPT_TAKES_HELD_LOCK  the handler takes a lock that its CPU holds with interrupts on
 */
#define CPUS 3
#define NODES 2                      /* of each CPU */

/* What a node's word says; from LINK on: abandoned, behind node word - LINK + 1. */
#define FREE 0
#define WAITING 1
#define GRANTED 2
#define LINK 3

byte word[CPUS * NODES + 1];         /* node 0 is none */
bool isLocked[2];
byte tail[2];
byte holders[2];
bool interruptsOn[CPUS] = true;
bool inHandler[CPUS];
bool holds[CPUS];
bool sleeps[CPUS];
byte running;
byte world;

inline exchange(l) {
  atomic { was = isLocked[l]; isLocked[l] = true; holds[own] = !was }
}

inline give(n) {
  atomic { assert(word[n] == GRANTED || word[n] >= LINK || n == node); word[n] = FREE }
}

inline takeNode() {
  node = own * NODES + 1;
  do
  :: node > own * NODES + NODES -> node = 0; break
  :: node <= own * NODES + NODES ->
#ifdef NODE_IN_TWO_STEPS
    if
    :: word[node] == FREE -> word[node] = WAITING; break
    :: word[node] != FREE -> node++
    fi
#else
    if
    :: atomic { word[node] == FREE -> word[node] = WAITING }; break
    :: word[node] != FREE -> node++
    fi
#endif
  od
}

inline leave(l) {
#ifdef GRANT_LOST
  was = (tail[l] == node);
  tail[l] = 0;
#else
  atomic { was = (tail[l] == node); if :: was -> tail[l] = 0 :: else fi };
#endif
#ifdef FREE_WITH_SUCCESSOR
  give(node)
#else
  if
  :: was -> give(node)
  :: !was -> word[node] = GRANTED
  fi
#endif
}

inline queue(l) {
  takeNode();
  if
  :: node == 0 ->
    do
    :: !isLocked[l] -> exchange(l); if :: !was -> break :: was -> skip fi
    od
  :: node != 0 ->
    atomic { ahead = tail[l]; tail[l] = node };
    do
    :: ahead == 0 ->
      /* The head of the queue. */
      do
      :: !isLocked[l] ->
#ifdef NO_SECOND_LOOK
        isLocked[l] = true; break
#else
        exchange(l);
        if :: !was -> break :: was -> skip fi
#endif
      od;
      leave(l);
      break
    :: ahead != 0 && word[ahead] == GRANTED -> give(ahead); ahead = 0
    :: ahead != 0 && word[ahead] >= LINK ->
      front = word[ahead] - LINK + 1;
      give(ahead);
      ahead = front
#ifndef NEVER_PAST_THE_QUEUE
    :: ahead != 0 && word[ahead] == WAITING && !isLocked[l] ->
      exchange(l);
      if
      :: !was ->
#ifdef ABANDON_AS_GRANTED
        word[node] = GRANTED;
#else
        word[node] = LINK + ahead - 1;
#endif
        break
      :: was -> skip
      fi
#endif
    od
  fi
}

inline take(l) {
  if
  :: tail[l] != 0 -> was = true
  :: tail[l] == 0 -> exchange(l)
  fi;
  if
  :: !was -> skip
  :: was -> queue(l)
  fi;
  atomic {
    was = false; node = 0; ahead = 0; front = 0;
    holders[l]++;
    holds[own] = true;
    assert(holders[l] == 1)
  }
}

inline release(l) {
  d_step { holders[l]--; holds[own] = false; isLocked[l] = false }
}

/* Who ends last finds everything given back. */
inline end() {
  atomic {
    running--;
    if
    :: running == 1 -> sleeps[0] = false
    :: running == 0 ->
      for (i in isLocked) {
        assert(!isLocked[i]);
        node = tail[i];
        tail[i] = 0;
        do
        :: node == 0 -> break
        :: node != 0 ->
          assert(word[node] >= LINK || word[node] == GRANTED);
          front = (word[node] >= LINK -> word[node] - LINK + 1 : 0);
          word[node] = FREE;
          node = front
        od
      };
      for (i in word) { assert(word[i] == FREE) }
    :: else
    fi
  }
}

/* The threads are processes 1 to 3: a clause may not name a parameter. */
proctype Thread(byte own) provided (!inHandler[_pid - 1] && !sleeps[_pid - 1]) {
  byte round, node, ahead, front, i, l;
  bool was;
  l = (world == 2 && own == 2 -> 1 : 0);
  do
  :: round == (world == 0 && own == 1 -> 2 : 1) -> break
  :: else ->
#ifndef INTERRUPT_TAKES_HELD_LOCK
    if :: world == 1 -> interruptsOn[own] = false :: world != 1 -> skip fi;
#endif
    take(l);
#ifdef RELEASE_WITH_INTERRUPTS_ON
    interruptsOn[own] = true;
#endif
    release(l);
    d_step { interruptsOn[own] = true; round++ }
  od;
  end()
}

/* The CPU turns interrupts off for a handler, and on again after it; in it, the lock leaves them off. */
proctype Handler(byte own; byte l) {
  byte node, ahead, front, i;
  bool was;
  d_step { interruptsOn[own] && !inHandler[own]; inHandler[own] = true; interruptsOn[own] = false }
  take(l);
  release(l);
  d_step {
    assert(!interruptsOn[own]);
    inHandler[own] = false;
    interruptsOn[own] = true
  }
  end()
}

/* The host takes CPU 0 away at any moment, but not while it holds the lock. */
proctype Sleep() {
  if
  :: atomic { !holds[0] && running > 1 -> sleeps[0] = true }
  :: skip
  fi
}

init {
  atomic {
    run Thread(0);
    run Thread(1);
    run Thread(2);
    if
    :: world = 0; running = 3; run Sleep()
    :: world = 1; running = 5; run Handler(0, 0); run Handler(1, 0)
    :: world = 2; running = 5; run Handler(0, 1); run Handler(1, 1)
    fi
  }
}
