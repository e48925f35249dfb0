/* Sources/VirtualMemory, RangeOperation: two CPUs map what must be free, beside promises that faults turn into
 * tables meanwhile.
 *
 * There are two upper entries of two pages each. An entry promises some of its pages, or leads to a table that says
 * it for each page. A fault takes no lock and turns a promise into a table that says the same. A map locks the
 * lowest table that covers its range, looks at all of it, and only then changes it. Where one entry can say it all
 * it makes no table, so it holds nothing below that entry; a fault may put a table there between its two walks, and
 * then another map needs only that table's lock. So the second walk looks again at a table that the first has not
 * locked, and takes back what it did before if something is in the way.
 *
 * At the start the second page of entry 0 and the first of entry 1 are free. CPU 0 maps both as one range. CPU 1 maps
 * one of them. Faults come to both entries.
 *
 * Checked: no page is two maps'; a page is promised exactly if somebody has it; a map that is refused has nothing;
 * everybody gets on.
 *
 * Planted bugs:
 *   NO_SECOND_LOOK   a table of a fault is not looked at again
 *   NO_ROLL_BACK     what was done before the obstacle stays
 *   EXTEND_BY_STORE  a promise is extended by a load and a store
 */
#define TABLE 4             /* below it, an entry is the set of pages that it promises */
#define BIT(page) (1 << (page))
#define SLOT(entry, page) slot[(entry) * 2 + (page)]

byte upper[2];
bool slot[4];
bool rootLock;
bool tableLock[2];
byte owners[4];
byte finished;

inline acquire(lock_) { atomic { !lock_ -> lock_ = true } }

proctype Fault(byte which) {
  byte entry;
  entry = upper[which];
  if
  :: entry < TABLE ->
    d_step {
      if
      :: upper[which] == entry ->
        SLOT(which, 0) = entry & 1;
        SLOT(which, 1) = entry >> 1;
        upper[which] = TABLE
      :: else
      fi
    }
  :: else
  fi;
  finished++
}

/* The page of an entry that is free at the start. */
#define pageOf(which_) (1 - (which_))

inline look(which_) {
  if
  :: upper[which_] == TABLE ->
    acquire(tableLock[which_]);
    holds[which_] = true;
    isRefused = isRefused || SLOT(which_, pageOf(which_))
  :: else ->
    entry = upper[which_];
    isRefused = isRefused || (entry < TABLE && (entry & BIT(pageOf(which_))))
  fi
}

/* The whole entry at once, while nobody else has changed it; `with` is what its page is to be. */
inline change(which_, with) {
  do
  :: upper[which_] == TABLE -> break
  :: else ->
    entry = upper[which_];
#ifdef EXTEND_BY_STORE
    if
    :: entry < TABLE ->
      upper[which_] = (with -> entry | BIT(pageOf(which_)) : entry & ~BIT(pageOf(which_)));
      break
    :: else
    fi
#else
    d_step {
      done = entry < TABLE && upper[which_] == entry;
      if
      :: done -> upper[which_] = (with -> entry | BIT(pageOf(which_)) : entry & ~BIT(pageOf(which_)))
      :: else
      fi
    }
    if :: done -> break :: else fi
#endif
  od;
  if
  :: upper[which_] == TABLE && !done ->
    if
    :: !holds[which_] ->
      acquire(tableLock[which_]);
      holds[which_] = true;
#ifndef NO_SECOND_LOOK
      isRefused = isRefused || (with && SLOT(which_, pageOf(which_)))
#endif
    :: else
    fi;
    if
    :: with && isRefused
    :: else -> SLOT(which_, pageOf(which_)) = with
    fi
  :: else
  fi;
  done = false
}

inline unlock() {
  d_step {
    if :: holds[0] -> tableLock[0] = false; holds[0] = false :: else fi;
    if :: holds[1] -> tableLock[1] = false; holds[1] = false :: else fi
  }
}

/* Maps the free pages of the entries from `first` to `last`, from the root. */
inline map(first_, last_) {
  acquire(rootLock);
  which = first_;
  do
  :: which <= last_ && !isRefused -> look(which); which++
  :: else -> break
  od;
  which = first_;
  do
  :: which <= last_ && !isRefused -> change(which, true); if :: !isRefused -> which++ :: else fi
  :: else -> break
  od;
#ifndef NO_ROLL_BACK
  if
  :: isRefused && which > first_ -> which--; change(which, false)
  :: else
  fi;
#endif
  unlock();
  rootLock = false
}

proctype Mapper(byte cpu) {
  byte first, last, which, entry;
  bool isRefused, done;
  bool holds[2];
  if
  :: cpu == 0 -> last = 1
  :: cpu == 1 -> first = 0; last = 0
  :: cpu == 1 -> first = 1; last = 1
  fi;
  if
  :: first == last && upper[first] == TABLE ->
    /* The lowest table that covers the page. */
    acquire(tableLock[first]);
    isRefused = SLOT(first, pageOf(first));
    if :: isRefused :: else -> SLOT(first, pageOf(first)) = true fi;
    tableLock[first] = false
  :: else -> map(first, last)
  fi;
  d_step {
    if
    :: isRefused
    :: else ->
      which = first;
      do
      :: which <= last -> owners[which * 2 + pageOf(which)]++; which++
      :: else -> break
      od
    fi
  }
  finished++
}

proctype Balance() {
  byte which;
  finished == 4;
  d_step {
    do
    :: which < 2 ->
      assert(owners[which * 2 + pageOf(which)] <= 1);
      assert((upper[which] == TABLE -> SLOT(which, pageOf(which)) : upper[which] >> pageOf(which) & 1) ==
        owners[which * 2 + pageOf(which)]);
      assert(upper[which] == TABLE -> SLOT(which, which) : upper[which] >> which & 1);
      which++
    :: else -> break
    od;
    assert(!rootLock && !tableLock[0] && !tableLock[1])
  }
}

init {
  atomic {
    upper[0] = BIT(0);
    upper[1] = BIT(1);
    run Mapper(0);
    run Mapper(1);
    run Fault(0);
    run Fault(1);
    run Balance()
  }
}
