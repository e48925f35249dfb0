/* Models Sources/Locking/Epoch.swift: sections that are announced, objects that are retired with the epoch as
 * their stamp, and the epoch that goes up when every open section has seen it.
 *
 * CPU 0 replaces the object that a shared word leads to, twice, retires what it took out, tries to move
 * the epoch and reclaims. CPUs 1 and 2 read in sections; CPU 2 moves the epoch, too. On CPU 1 an
 * interrupt handler reads in a section of its own, at any moment, also while the section of its thread
 * begins or ends; meanwhile the thread stands still. CPU 2 may go offline or idle after its section: it
 * ends. All interleavings of the single reads and writes are tried, as sequential consistency has
 * them: that the announcement is seen before anything is read is what the fences are for.
 *
 * Checked: nobody looks at an object that was reclaimed; in the end all that was retired can be
 * reclaimed in two steps, by CPU 0 alone.
 *
 * Planted bugs:
 *   RECLAIMED_AN_EPOCH_EARLY   an object is reclaimed in the epoch after the one that it was retired in
 *   ANNOUNCED_AFTER_READING    the word is read before the section is announced
 *   STAMPED_BEFORE_TAKEN_OUT   the epoch is read before the object is taken out
 *   HANDLER_ENDS_ALL           a handler's section ends by closing whatever is open
 *   SECTION_LEFT_OPEN          a section is not closed, and holds up reclamation for ever
 */
#define CPUS 3
#define OBJECTS 3

byte epoch = 1;
byte announced[CPUS];                /* the epoch that the open section has seen; 0 without one */
byte shared;                         /* the object that is found */
bool isReclaimed[OBJECTS];
byte stamp[OBJECTS];                 /* 0 while it is not retired */
bool inHandler;
byte running = 4;

inline look() {
#ifdef ANNOUNCED_AFTER_READING
  found = shared;
#endif
  isOutermost = (announced[own] == 0);
  if
  :: isOutermost -> seen = epoch; announced[own] = seen
  :: !isOutermost -> skip
  fi;
#ifndef ANNOUNCED_AFTER_READING
  found = shared;
#endif
  assert(!isReclaimed[found]);
  /* Once more, later. */
  assert(!isReclaimed[found]);
#ifndef SECTION_LEFT_OPEN
  if
#ifdef HANDLER_ENDS_ALL
  :: true -> announced[own] = 0
#else
  :: isOutermost -> announced[own] = 0
  :: !isOutermost -> skip
#endif
  fi;
#endif
  d_step { seen = 0; found = 0; isOutermost = false }
}

inline advance() {
  seen = epoch;
  cpu = 0;
  do
  :: cpu == CPUS -> break
  :: cpu < CPUS ->
    if
    :: announced[cpu] == 0 || announced[cpu] == seen -> cpu++
    :: else -> seen = 0; break
    fi
  od;
  atomic {
    if
    :: seen != 0 && epoch == seen -> epoch++
    :: else
    fi;
    seen = 0; cpu = 0
  }
}

#ifdef RECLAIMED_AN_EPOCH_EARLY
#define GRACE 1
#else
#define GRACE 2
#endif

inline reclaim() {
  seen = epoch;
  i = 0;
  do
  :: i == OBJECTS -> break
  :: i < OBJECTS ->
    if
    :: stamp[i] != 0 && stamp[i] + GRACE <= seen -> isReclaimed[i] = true; stamp[i] = 0
    :: else
    fi;
    i++
  od;
  seen = 0
}

proctype Writer() {
  byte seen, cpu, i, new, old, mark;
  do
  :: new == OBJECTS - 1 -> break
  :: new < OBJECTS - 1 ->
    new++;
#ifdef STAMPED_BEFORE_TAKEN_OUT
    mark = epoch;
    atomic { old = shared; shared = new };
#else
    atomic { old = shared; shared = new };
    mark = epoch;
#endif
    stamp[old] = mark;
    mark = 0;
    advance();
    reclaim()
  od;
  /* The readers are through: two steps of the epoch are enough. */
  running == 1;
  advance();
  advance();
  reclaim();
  assert(stamp[0] == 0 && stamp[1] == 0);
  running--
}

/* Process 2 is the one that the handler interrupts. */
proctype Reader(byte own; byte rounds) provided (!inHandler || _pid != 2) {
  byte seen, cpu, found;
  bool isOutermost;
  do
  :: rounds == 0 -> break
  :: rounds != 0 ->
    look();
    rounds--;
    if
    :: own == 2 -> advance()
    :: own != 2 -> skip
    fi
  od;
  running--
}

proctype Handler(byte own) {
  byte seen, found;
  bool isOutermost;
  inHandler = true;
  look();
  inHandler = false;
  running--
}

init {
  atomic {
    run Writer();
    run Reader(1, 1);
    run Reader(2, 1);
    run Handler(1)
  }
}
