/* Models Sources/VirtualMemory: faults against range operations in the scheme `shared`, where one
 * table serves all CPUs.
 *
 * The address space is one upper entry and, while it leads to a table, that table's slots, one for
 * each of two pages. The upper entry may promise both pages, or the first one alone. A fault takes no
 * lock and only turns what is reserved into what is present, or into a table that says the same. A range
 * operation holds the lock of the lowest table that covers its range, and of the table below
 * it that it changes, until every CPU has forgotten the old translations. What it takes away is marked
 * as changing until then. A table in which nothing is left stays, until a trim takes it out, under its
 * lock and its parent's; it is freed when no CPU can still be on its way through it.
 *
 * CPU 0 unmaps both pages at once and trims. CPU 1 protects, drops or unmaps a single page, or maps the
 * first one. CPU 2 reads and writes. Each access goes through a TLB and a cache of the upper entry,
 * which keep what they have until they are told. The processor's walk is two steps; so is a fault.
 *
 * Checked: nobody reaches a frame that is free or another page's; no page is had that was not mapped;
 * when an operation ends, no CPU has a translation of its range that the table does not have; no table is
 * read that is free; no frame and no table is lost; everybody gets on.
 *
 * Planted bugs:
 *   NO_SHOOTDOWN           the other CPUs are not told
 *   FREE_BEFORE_ANSWERS    frames are free before all CPUs have answered
 *   UNLOCK_BEFORE_ANSWERS  the locks are free before all CPUs have answered
 *   WAIT_WITHOUT_ANSWERING a CPU that waits for a lock does not answer
 *   TRIM_BEFORE_LOCK       whether a table is empty is looked at before its lock is held
 *   NO_EPOCH               a removed table is free without waiting for those who are inside
 *   TABLE_BEFORE_ANSWERS   a removed table is given up before all CPUs have answered
 *   NO_DETACHED_CHECK      an operation does not look whether the table that it locked was removed
 *   PROTECT_BY_STORE       a slot is protected by a load and a store
 *   UNMAP_BY_STORE         a promise is taken away by a load and a store
 *   FILL_WHOLE             a table in place of a promise for a part promises all
 */
#define CPUS 3
#define PAGES 2
#define TABLES 2
#define FRAMES 2

/* Upper entry and slots: permission 0 is read, 1 is read and write. */
#define UNMAPPED 0
#define RESERVED(permission) (1 + (permission))
#define PART 3              /* of the upper entry: read and write for the first page alone */
#define BUSY(permission) (4 + (permission))
#define GOING 6             /* changing, and nothing afterwards */
#define PRESENT(frame, permission) (8 + 2 * (frame) + (permission))
#define TABLE(table) (16 + (table))
#define isReserved(entry) (entry == 1 || entry == 2)
#define isBusy(entry) (entry == 4 || entry == 5)
#define isPresent(entry) (entry >= 8 && entry < 16)
#define isTable(entry) (entry >= 16)
#define permissionOf(entry) (isReserved(entry) -> entry - 1 : (entry & 1))
#define frameOf(entry) ((entry - 8) / 2)
#define isPromise(entry) (isReserved(entry) || entry == PART)
#define SLOT(table, page) slot[(table) * PAGES + (page)]

byte upper = RESERVED(1);
byte slot[TABLES * PAGES];
bool rootLock;
bool lock[TABLES];
bool detached[TABLES];

mtype = { free, held, mapped, dying };
mtype frame[FRAMES] = free;
byte pageOf[FRAMES];
/* A table is free, in use (held), or given up and waits for the CPUs of a set (dying). */
mtype table[TABLES] = free;
byte waitsFor[TABLES];

/* What a CPU remembers: an entry for each page, 0 for none, and the upper entry. */
byte tlb[CPUS * PAGES];
byte upperCache[CPUS];
#define TLB(cpu, page) tlb[(cpu) * PAGES + (page)]

byte inside;                /* the CPUs inside an epoch section */
byte asked[CPUS];           /* by the asking CPU: who has not answered */
byte askedPages[CPUS];
bool interruptsOff[CPUS];
byte finished;
bool wasMapped = true;      /* whether the second page was, at the start */

#define BIT(number) (1 << (number))
#define ALL (BIT(CPUS) - 1)

inline forget(cpu_, pages_) {
  if :: (pages_) & 1 -> TLB(cpu_, 0) = 0 :: else fi;
  if :: (pages_) & 2 -> TLB(cpu_, 1) = 0 :: else fi;
  upperCache[cpu_] = 0
}

/* Does what others ask: the handler, or a CPU that waits. */
inline answer(cpu_) {
  d_step {
    other = 0;
    do
    :: other < CPUS ->
      if
      :: asked[other] & BIT(cpu_) ->
        forget(cpu_, askedPages[other]);
        asked[other] = asked[other] & ~BIT(cpu_)
      :: else
      fi;
      other++
    :: else -> break
    od;
    other = 0
  }
}
#define isAsked(cpu_) \
  ((asked[0] | asked[1] | asked[2]) & BIT(cpu_))

proctype Handler(byte cpu) {
  byte other;
end:
  do
  :: atomic { isAsked(cpu) && !interruptsOff[cpu] -> answer(cpu) }
  od
}

inline enter() { inside = inside | BIT(cpu) }
inline leave() {
  d_step {
    inside = inside & ~BIT(cpu);
    index = 0;
    do
    :: index < TABLES ->
      if
      :: table[index] == dying ->
        waitsFor[index] = waitsFor[index] & ~BIT(cpu);
        if :: waitsFor[index] == 0 -> table[index] = free :: else fi
      :: else
      fi;
      index++
    :: else -> break
    od;
    index = 0
  }
}

inline takeTable(filling) {
  d_step {
    new = 0;
    do
    :: new < TABLES && table[new] != free -> new++
    :: else -> break
    od;
    if
    :: new < TABLES ->
      table[new] = held;
      detached[new] = false;
      SLOT(new, 0) = (filling == PART -> RESERVED(1) : filling);
#ifdef FILL_WHOLE
      SLOT(new, 1) = (filling == PART -> RESERVED(1) : filling)
#else
      SLOT(new, 1) = (filling == PART -> UNMAPPED : filling)
#endif
    :: else
    fi
  }
}

inline takeFrame() {
  d_step {
    new = 0;
    do
    :: new < FRAMES && frame[new] != free -> new++
    :: else -> break
    od;
    assert(page == 0 || wasMapped);
    if :: new < FRAMES -> frame[new] = held; pageOf[new] = page :: else fi
  }
}

/* A fault at `page`; leaves `found` = 1 when the access is worth another try. */
inline fault() {
  enter();
  found = 2;
  do
  :: found != 2 -> break
  :: else ->
    entry = upper;
    if
    :: entry == UNMAPPED || entry == PART && page == 1 -> found = 0
    :: entry == GOING -> found = 1
    :: isReserved(entry) || entry == PART && page == 0 ->
      takeTable(entry);
      if
      :: new == TABLES -> found = 0
      :: else ->
        d_step {
          if
          :: upper == entry -> upper = TABLE(new)
          :: else -> table[new] = free
          fi
        }
      fi
    :: isTable(entry) ->
      below = entry - 16;
      d_step { assert(table[below] != free); entry = SLOT(below, page) }
      if
      :: isBusy(entry) || entry == GOING -> found = 1
      :: entry == UNMAPPED || ((isReserved(entry) || isPresent(entry)) && permissionOf(entry) < writes) ->
        found = 0
      :: isReserved(entry) && permissionOf(entry) >= writes ->
        takeFrame();
        if
        :: new == FRAMES -> found = 0
        :: else ->
          d_step {
            assert(table[below] != free);
            if
            :: SLOT(below, page) == entry ->
              SLOT(below, page) = PRESENT(new, permissionOf(entry));
              frame[new] = mapped
            :: else -> frame[new] = free
            fi
          }
        fi
      :: isPresent(entry) && permissionOf(entry) >= writes ->
        d_step { forget(cpu, BIT(page)); found = 1 }
      fi
    fi
  od;
  leave();
  d_step { entry = 0; below = 0; new = 0 }
}

/* One access to `page`. */
inline access() {
  do
  :: d_step {
      TLB(cpu, page) != 0 && permissionOf(TLB(cpu, page)) >= writes ->
      entry = frameOf(TLB(cpu, page));
      assert(frame[entry] == mapped || frame[entry] == dying);
      assert(pageOf[entry] == page);
      entry = 0
    };
    break
  :: else ->
    /* The processor's walk: the upper entry, or what is remembered of it, then the slot. */
    d_step {
      if
      :: upperCache[cpu] == 0 && isTable(upper) -> upperCache[cpu] = upper
      :: else
      fi
    }
    d_step {
      entry = 0;
      if
      :: upperCache[cpu] != 0 ->
        assert(table[upperCache[cpu] - 16] != free);
        if
        :: isPresent(SLOT(upperCache[cpu] - 16, page)) -> entry = SLOT(upperCache[cpu] - 16, page)
        :: else
        fi
      :: else
      fi;
      if
      :: entry != 0 && permissionOf(entry) >= writes -> TLB(cpu, page) = entry; found = 1
      :: else -> found = 0
      fi;
      entry = 0
    }
    if
    :: found == 0 -> fault(); if :: found == 0 -> break :: else fi
    :: else
    fi
  od;
  found = 0
}

/* Waits for a lock and answers; interrupts are off from then on, if they were not before. */
inline acquire(lock_) {
#ifdef WAIT_WITHOUT_ANSWERING
  interruptsOff[cpu] = true;
  atomic { !lock_ -> lock_ = true }
#else
  do
  :: atomic { !lock_ -> lock_ = true; interruptsOff[cpu] = true }; break
  :: isAsked(cpu) -> answer(cpu)
  od;
  skip
#endif
}
inline release(lock_) {
  d_step { lock_ = false; interruptsOff[cpu] = false }
}

/* Makes all CPUs forget `pages`, which changed. */
inline shootDown() {
#ifdef NO_SHOOTDOWN
  d_step { forget(cpu, pages) }
#else
  d_step {
    askedPages[cpu] = pages;
    asked[cpu] = ALL & ~BIT(cpu);
    forget(cpu, pages)
  }
  do
  :: asked[cpu] == 0 -> break
  :: isAsked(cpu) -> answer(cpu)
  od
#endif
}

/* Collects the frame of a slot that is gone. */
inline collect(entry_) {
  if
  :: isPresent(entry_) ->
    frame[frameOf(entry_)] = dying;
    collected = collected | BIT(frameOf(entry_));
    changed = true
  :: else
  fi
}
inline freeCollected() {
  d_step {
    index = 0;
    do
    :: index < FRAMES ->
      if :: collected & BIT(index) -> frame[index] = free :: else fi;
      index++
    :: else -> break
    od;
    index = 0;
    collected = 0
  }
}

/* What the table has is all that CPUs may have of the pages of an operation that ends. */
inline checkTranslations(pages_) {
  d_step {
    index = 0;
    do
    :: index < CPUS * PAGES ->
      if
      :: tlb[index] != 0 && pages_ & BIT(index % PAGES) ->
        assert(isTable(upper));
        entry = SLOT(upper - 16, index % PAGES);
        assert(isPresent(entry) && frameOf(entry) == frameOf(tlb[index]));
        assert(permissionOf(entry) >= permissionOf(tlb[index]));
        entry = 0
      :: else
      fi;
      index++
    :: else -> break
    od;
    index = 0
  }
}

/* Unmaps a slot of a table whose lock is held. */
inline unmapSlot(page_) {
#ifdef UNMAP_BY_STORE
  entry = SLOT(below, page_);
  d_step { SLOT(below, page_) = (isPresent(entry) -> GOING : UNMAPPED); collect(entry) }
#else
  d_step {
    entry = SLOT(below, page_);
    SLOT(below, page_) = (isPresent(entry) -> GOING : UNMAPPED);
    collect(entry)
  }
#endif
}
inline endChange(page_) {
  d_step { if :: SLOT(below, page_) == GOING -> SLOT(below, page_) = UNMAPPED :: else fi }
}

/* Unmaps both pages: what leads to them, as one, or each. A table stays. */
inline unmapAll() {
  enter();
  acquire(rootLock);
  below = TABLES;
  do
  :: atomic { isPromise(upper) -> upper = UNMAPPED }; break
  :: upper == UNMAPPED -> break
  :: isTable(upper) ->
    below = upper - 16;
    acquire(lock[below]);
    unmapSlot(0);
    unmapSlot(1);
    entry = 0;
    break
  od;
#ifdef UNLOCK_BEFORE_ANSWERS
  if :: below < TABLES -> release(lock[below]) :: else fi;
  release(rootLock);
#endif
#ifdef FREE_BEFORE_ANSWERS
  freeCollected();
#endif
  if :: changed -> shootDown() :: else fi;
  if
  :: below < TABLES ->
    endChange(0);
    endChange(1);
#ifndef UNLOCK_BEFORE_ANSWERS
    checkTranslations(3);
    release(lock[below])
#endif
  :: else
#ifndef UNLOCK_BEFORE_ANSWERS
    -> checkTranslations(3)
#endif
  fi;
#ifndef UNLOCK_BEFORE_ANSWERS
  release(rootLock);
#endif
  freeCollected();
  leave();
  d_step { changed = false; below = 0; entry = 0 }
}

/* Takes the table out if nothing is left in it. */
inline trim() {
  enter();
  acquire(rootLock);
  below = TABLES;
  if
  :: isTable(upper) ->
    below = upper - 16;
#ifdef TRIM_BEFORE_LOCK
    found = (SLOT(below, 0) == UNMAPPED && SLOT(below, 1) == UNMAPPED);
    acquire(lock[below]);
#else
    acquire(lock[below]);
    found = (SLOT(below, 0) == UNMAPPED && SLOT(below, 1) == UNMAPPED);
#endif
    if
    :: found -> upper = GOING; detached[below] = true; release(lock[below])
    :: else -> release(lock[below]); below = TABLES
    fi
  :: else
  fi;
#ifdef TABLE_BEFORE_ANSWERS
  giveUp(below);
#endif
  if
  :: below < TABLES -> shootDown(); upper = UNMAPPED
  :: else
  fi;
  release(rootLock);
#ifndef TABLE_BEFORE_ANSWERS
  giveUp(below);
#endif
  leave();
  d_step { below = 0; found = 0 }
}

/* A removed table is freed when all who are inside now have left. */
inline giveUp(table_) {
  d_step {
    if
    :: table_ < TABLES ->
#ifdef NO_EPOCH
      table[table_] = free
#else
      /* Who gives it up is inside itself, and does not touch it any more. */
      waitsFor[table_] = inside & ~BIT(cpu);
      table[table_] = (waitsFor[table_] == 0 -> free : dying)
#endif
    :: else
    fi
  }
}

#define PROTECT 0
#define DROP 1
#define UNMAP 2
#define MAP 3

/* One operation on one page. */
inline changePage() {
  enter();
  do
  :: done -> break
  :: else ->
    entry = upper;
    if
    :: entry == GOING ->
      /* The lock is another's until the entry is nothing. */
      acquire(rootLock);
      release(rootLock)
    :: isPromise(entry) && operation == MAP -> done = true  /* refused */
    :: isPromise(entry) && operation != MAP ->
      /* A part of what is reserved as one: a table is made first, as a fault would. */
      takeTable(entry);
      if
      :: new == TABLES -> done = true
      :: else ->
        d_step {
          if :: upper == entry -> upper = TABLE(new) :: else -> table[new] = free fi
        }
      fi
    :: entry == UNMAPPED ->
      /* Nothing is mapped, and no CPU remembers anything else: it became so after all had answered. */
      acquire(rootLock);
      if
      :: upper == UNMAPPED ->
        checkTranslations(BIT(page));
        d_step { if :: operation == MAP -> upper = PART :: else fi; done = true }
      :: else
      fi;
      release(rootLock)
    :: isTable(entry) ->
      below = entry - 16;
      acquire(lock[below]);
      assert(table[below] != free);
#ifndef NO_DETACHED_CHECK
      if
      :: detached[below] -> release(lock[below])
      :: else ->
#else
      if
      :: true ->
        assert(!detached[below]);
#endif
        changeSlot();
        done = true
      fi
    fi
  od;
  leave();
  d_step { done = false; entry = 0; below = 0; new = 0; changed = false }
}

inline changeSlot() {
  pages = BIT(page);
  if
  :: operation == PROTECT ->
#ifdef PROTECT_BY_STORE
    entry = SLOT(below, page);
    d_step {
      if
      :: isReserved(entry) -> SLOT(below, page) = RESERVED(0)
      :: isPresent(entry) && permissionOf(entry) == 1 ->
        SLOT(below, page) = PRESENT(frameOf(entry), 0);
        changed = true
      :: else
      fi
    }
#else
    d_step {
      entry = SLOT(below, page);
      if
      :: isReserved(entry) -> SLOT(below, page) = RESERVED(0)
      :: isPresent(entry) && permissionOf(entry) == 1 ->
        SLOT(below, page) = PRESENT(frameOf(entry), 0);
        changed = true
      :: else
      fi
    }
#endif
  :: operation == DROP ->
    d_step {
      entry = SLOT(below, page);
      if
      :: isPresent(entry) -> SLOT(below, page) = BUSY(permissionOf(entry)); collect(entry)
      :: else
      fi
    }
  :: operation == UNMAP ->
    unmapSlot(page)
  :: operation == MAP ->
    d_step {
      if :: SLOT(below, page) == UNMAPPED -> SLOT(below, page) = RESERVED(1) :: else fi
    }
  fi;
#ifdef UNLOCK_BEFORE_ANSWERS
  release(lock[below]);
#endif
#ifdef FREE_BEFORE_ANSWERS
  freeCollected();
#endif
  if :: changed -> shootDown() :: else fi;
  checkTranslations(BIT(page));
  d_step {
    entry = SLOT(below, page);
    if
    :: isBusy(entry) -> SLOT(below, page) = RESERVED(permissionOf(entry))
    :: entry == GOING -> SLOT(below, page) = UNMAPPED
    :: else
    fi
  }
#ifndef UNLOCK_BEFORE_ANSWERS
  release(lock[below]);
#endif
  freeCollected()
}

proctype CPU(byte cpu) {
  byte page, writes, entry, new, found, below, index, collected, pages, other, operation, count;
  bool changed, done;
  do
  :: count == (cpu == 0 -> 2 : 1) -> break
  :: else ->
    count++;
    if
    :: cpu == 0 ->
      pages = 3;
      if
      :: count == 1 -> unmapAll()
      :: count == 2 -> trim()
      fi
    :: cpu == 1 ->
      if :: page = 0 :: page = 1 fi;
      if
      :: operation = PROTECT :: operation = DROP :: operation = UNMAP
      :: page == 0 -> operation = MAP
      fi;
      changePage()
    :: cpu == 2 ->
      if :: page = 0 :: page = 1 fi;
      if :: writes = 0 :: writes = 1 fi;
      access()
    fi;
    d_step { page = 0; writes = 0; operation = 0; pages = 0; found = 0 }
  od;
  finished++
}

/* At the end every frame and every table is where it belongs. */
proctype Balance() {
  byte index, uses;
  finished == CPUS;
  d_step {
    assert(inside == 0);
    do
    :: index < FRAMES ->
      assert(frame[index] == free || frame[index] == mapped);
      uses = 0;
      if
      :: isTable(upper) && isPresent(SLOT(upper - 16, 0)) && frameOf(SLOT(upper - 16, 0)) == index ->
        uses++
      :: else
      fi;
      if
      :: isTable(upper) && isPresent(SLOT(upper - 16, 1)) && frameOf(SLOT(upper - 16, 1)) == index ->
        uses++
      :: else
      fi;
      assert((frame[index] == mapped) == (uses == 1));
      index++
    :: else -> break
    od;
    index = 0;
    do
    :: index < TABLES ->
      assert((table[index] == held) == (upper == TABLE(index)));
      index++
    :: else -> break
    od
  }
}

init {
  atomic {
    if
    :: true
    :: true -> upper = PART; wasMapped = false
    fi;
    run CPU(0);
    run CPU(1);
    run CPU(2);
    run Handler(0);
    run Handler(1);
    run Handler(2);
    run Balance()
  }
}
