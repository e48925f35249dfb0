/* Models Sources/VirtualMemory/PageFault+Copy.swift: copy on write against reads, writes and range
 * operations.
 *
 * The address space is one page that shows a file's page, which several could show. The first access
 * maps the file's own frame, read-only to the processor. A write makes a copy: an operation with the
 * lock of the table takes the page away, waits until no CPU remembers it, copies and installs the
 * copy. A discarded copy is the file's page again.
 *
 * CPU 0 writes the page's first word. CPU 1 writes the second one, or reads. CPU 2 reads, or unmaps,
 * protects or discards the page. Each access goes through a TLB, which keeps what it has until it is
 * told.
 *
 * Checked: a word that was written is read by all from that moment on, until a range operation that
 * takes it away begins; what was made read-only is not written, nor is the file; nobody reaches a frame
 * that is free; when an operation ends, no CPU has a translation that the table does not have; no frame
 * is lost; everybody gets on.
 *
 * Planted bugs:
 *   NO_SHOOTDOWN           the other CPUs are not told that the page is another one
 *   NEW_BEFORE_ANSWERS     the copy is in the table before all CPUs have answered
 *   NO_LOCK                the copy takes the file's place by a compare-and-swap, as a new page does
 *   NO_SECOND_LOOK         what was found before the lock is copied
 *   WRITABLE_FILE          the file's frame is mapped as the area's permissions say
 *   KEEPS_UNUSED_FRAME     a frame is not given back when somebody else made the copy
 *   FREES_FILE             the file's frame is freed like others
 *   PROTECTED_IS_COPIED    a write copies although the page was made read-only meanwhile
 */
#define CPUS 3
#define FRAMES 3
#define NONE 99

#define UNMAPPED 0
#define RESERVED(permission) (1 + (permission))
#define BUSY 3
#define FILE(permission) (4 + (permission))
#define COPY(frame, permission) (6 + 2 * (frame) + (permission))
#define isReserved(entry) (entry == 1 || entry == 2)
#define isFile(entry) (entry == 4 || entry == 5)
#define isCopy(entry) (entry >= 6)
#define permissionOf(entry) (isReserved(entry) -> entry - 1 : (entry & 1))
#define frameOf(entry) ((entry - 6) / 2)

byte slot = RESERVED(1);
bool lock;

/* Frames of the machine; the file's is none of them, and is never free. */
mtype = { free, held, mapped, dying };
mtype frame[FRAMES] = free;
bool data[FRAMES * 2];
bool fileIsFree;

/* 0 none, 1 the file's frame, 2 the same to be written, else a copy's entry. */
byte tlb[CPUS];
#define isWritable(translation) (translation == 2 || translation >= 6 && (translation & 1) == 1)

/* What all CPUs must read, until an operation begins that takes it away. */
bool written[2];
bool isLost;
/* Nobody may write any more. */
bool isReadOnly;

byte asked[CPUS];
bool interruptsOff[CPUS];
byte finished;

#define BIT(number) (1 << (number))
#define ALL (BIT(CPUS) - 1)
#define isAsked(cpu_) ((asked[0] | asked[1] | asked[2]) & BIT(cpu_))

inline answer(cpu_) {
  d_step {
    tlb[cpu_] = 0;
    asked[0] = asked[0] & ~BIT(cpu_);
    asked[1] = asked[1] & ~BIT(cpu_);
    asked[2] = asked[2] & ~BIT(cpu_)
  }
}

proctype Handler(byte cpu) {
end:
  do
  :: atomic { isAsked(cpu) && !interruptsOff[cpu] -> answer(cpu) }
  od
}

inline takeFrame() {
  d_step {
    new = 0;
    do
    :: new < FRAMES && frame[new] != free -> new++
    :: else -> break
    od;
    if
    :: new < FRAMES -> frame[new] = held
    :: else -> new = NONE
    fi
  }
}

inline acquire() {
  do
  :: atomic { !lock -> lock = true; interruptsOff[cpu] = true }; break
  :: isAsked(cpu) -> answer(cpu)
  od
}
inline release() { d_step { lock = false; interruptsOff[cpu] = false } }

inline shootDown() {
#ifdef NO_SHOOTDOWN
  tlb[cpu] = 0
#else
  d_step { asked[cpu] = ALL & ~BIT(cpu); tlb[cpu] = 0 }
  do
  :: asked[cpu] == 0 -> break
  :: isAsked(cpu) -> answer(cpu)
  od;
  skip
#endif
}

/* What the table has is all that CPUs may have when an operation ends. */
inline checkTranslations() {
  d_step {
    other = 0;
    do
    :: other < CPUS ->
      if
      :: tlb[other] == 0
      :: tlb[other] == 1 || tlb[other] == 2 -> assert(isFile(slot))
      :: tlb[other] >= 6 ->
        assert(isCopy(slot) && frameOf(slot) == frameOf(tlb[other]));
        assert(permissionOf(slot) >= permissionOf(tlb[other]))
      fi;
      other++
    :: else -> break
    od;
    other = 0
  }
}

/* Makes the copy that a write needs; the fault looks again afterwards. */
inline copyPage() {
#ifdef NO_SECOND_LOOK
  found = slot;
#endif
  takeFrame();
  if
  :: new == NONE -> isRefused = true
  :: else ->
#ifdef NO_LOCK
    d_step { data[new * 2] = false; data[new * 2 + 1] = false };
    d_step {
      if
      :: isFile(slot) && permissionOf(slot) == 1 -> slot = COPY(new, 1); frame[new] = mapped
      :: else -> frame[new] = free
      fi
    };
    shootDown();
#else
    acquire();
#ifndef NO_SECOND_LOOK
    found = slot;
#endif
    if
#ifdef PROTECTED_IS_COPIED
    :: isFile(found) ->
#else
    :: isFile(found) && permissionOf(found) == 1 ->
#endif
#ifdef NEW_BEFORE_ANSWERS
      d_step { data[new * 2] = false; data[new * 2 + 1] = false };
      d_step { slot = COPY(new, 1); frame[new] = mapped };
      shootDown();
#else
      slot = BUSY;
      shootDown();
      d_step { data[new * 2] = false; data[new * 2 + 1] = false };
      d_step { slot = COPY(new, 1); frame[new] = mapped };
#endif
#ifdef FREES_FILE
      fileIsFree = true;
#endif
      checkTranslations()
    :: else ->
#ifndef KEEPS_UNUSED_FRAME
      frame[new] = free
#else
      skip
#endif
    fi;
    release()
#endif
  fi;
  d_step { new = 0; found = 0 }
}

/* A fault: the access is worth another try unless it is refused. */
inline fault() {
  found = slot;
  if
  :: found == BUSY -> if :: isAsked(cpu) -> answer(cpu) :: else fi
  :: found == UNMAPPED -> isRefused = true
  :: found != BUSY && found != UNMAPPED && permissionOf(found) < writes -> isRefused = true
  :: isReserved(found) && permissionOf(found) >= writes ->
    /* The file's frame needs no memory: it takes its place by one compare-and-swap. */
    d_step { if :: slot == found -> slot = FILE(permissionOf(found)) :: else fi }
  :: isFile(found) && permissionOf(found) >= writes ->
    if
    :: writes == 1 -> copyPage()
    :: else -> tlb[cpu] = 0
    fi
  :: isCopy(found) && permissionOf(found) >= writes -> tlb[cpu] = 0
  fi;
  found = 0
}

/* One access to word `word`. */
inline access() {
  do
  :: isRefused -> break
  :: d_step {
      !isRefused && tlb[cpu] != 0 && (writes == 0 || isWritable(tlb[cpu])) ->
      if
      :: tlb[cpu] >= 6 ->
        other = frameOf(tlb[cpu]);
        assert(frame[other] == mapped || frame[other] == dying);
        if
        :: writes == 1 ->
          assert(!isReadOnly);
          data[other * 2 + word] = true;
          written[word] = true
        :: else -> assert(isLost || data[other * 2 + word] == written[word])
        fi;
        other = 0
      :: else ->
        assert(!fileIsFree);
        assert(writes == 0);
        assert(isLost || !written[word])
      fi
    };
    break
  :: else ->
    /* The processor's walk. A file's page is read-only to it. */
    d_step {
      if
#ifdef WRITABLE_FILE
      :: isFile(slot) && permissionOf(slot) >= writes ->
        tlb[cpu] = 1 + permissionOf(slot);
        hasPage = true
#else
      :: isFile(slot) && writes == 0 -> tlb[cpu] = 1; hasPage = true
#endif
      :: isCopy(slot) && permissionOf(slot) >= writes -> tlb[cpu] = slot; hasPage = true
      :: else -> hasPage = false
      fi
    }
    if
    :: hasPage -> hasPage = false
    :: else -> fault()
    fi
  od;
  isRefused = false
}

#define PROTECT 0
#define DISCARD 1
#define UNMAP 2

inline changePage() {
  acquire();
  if
  :: operation != PROTECT -> isLost = true
  :: else
  fi;
  d_step {
    found = slot;
    if
    :: operation == PROTECT && isReserved(found) -> slot = RESERVED(0)
    :: operation == PROTECT && isFile(found) -> slot = FILE(0)
    :: operation == PROTECT && isCopy(found) -> slot = COPY(frameOf(found), 0); isStale = true
    :: operation == DISCARD && isCopy(found) ->
      slot = BUSY;
      frame[frameOf(found)] = dying;
      isStale = true
    :: operation == UNMAP && isCopy(found) ->
      slot = BUSY;
      frame[frameOf(found)] = dying;
      isStale = true
    :: operation == UNMAP && isFile(found) -> slot = BUSY; isStale = true
    :: operation == UNMAP && isReserved(found) -> slot = UNMAPPED
    :: else
    fi
  }
  if :: isStale -> shootDown() :: else fi;
  d_step {
    if
    :: slot == BUSY && operation == DISCARD -> slot = RESERVED(permissionOf(found))
    :: slot == BUSY && operation == UNMAP -> slot = UNMAPPED
    :: else
    fi;
    if :: isCopy(found) && operation != PROTECT -> frame[frameOf(found)] = free :: else fi
  };
  checkTranslations();
  d_step { if :: operation == PROTECT -> isReadOnly = true :: else fi }
  release();
  d_step { isStale = false; found = 0 }
}

proctype CPU(byte cpu) {
  byte writes, word, new, found, other, operation, count;
  bool isRefused, hasPage, isStale;
  do
  :: count == 2 -> break
  :: else ->
    count++;
    if
    :: cpu == 0 -> writes = 1; access()
    :: cpu == 1 ->
      word = 1;
      if :: writes = 0 :: writes = 1 fi;
      access()
    :: cpu == 2 ->
      if :: word = 0 :: word = 1 fi;
      access()
    :: cpu == 2 && count == 1 ->
      if :: operation = PROTECT :: operation = DISCARD :: operation = UNMAP fi;
      changePage()
    fi;
    d_step { writes = 0; word = 0; operation = 0 }
  od;
  finished++
}

/* At the end every frame is where it belongs. */
proctype Balance() {
  byte index;
  finished == CPUS;
  d_step {
    assert(!lock);
    do
    :: index < FRAMES ->
      assert(frame[index] == free || frame[index] == mapped);
      assert((frame[index] == mapped) == (isCopy(slot) && frameOf(slot) == index));
      index++
    :: else -> break
    od
  }
}

init {
  atomic {
    run CPU(0);
    run CPU(1);
    run CPU(2);
    run Handler(0);
    run Handler(1);
    run Handler(2);
    run Balance()
  }
}
