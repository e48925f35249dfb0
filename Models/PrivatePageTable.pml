/* Models Sources/VirtualMemory/PrivateTables.swift: the copies that CPUs have of entries of the common
 * page table. In the scheme `perCPU` that are the entries of pages, in `shared` those of the root.
 *
 * One page. Its common entry has a set of holders, the CPUs that have a copy. A fault puts its CPU
 * into the set, looks at the common entry again, and then writes the copy, all with interrupts off. A
 * range operation changes the entry and then exchanges the set for an empty one; it asks those that
 * were in it, and each clears its copy, forgets the translation, and answers. An operation that only
 * takes permissions leaves the set as it is: each reduces its copy. A CPU may give its copy up of its
 * own accord (`PrivateTables+Release.swift`). Upper levels and their removal are the business of
 * `AddressSpace.pml`.
 *
 * CPU 0 does two operations, CPU 1 one operation and an access, CPU 2 two things: accesses, or giving
 * up. Handlers access no memory of an address space.
 *
 * Checked: nobody reaches a frame that is free; when an operation ends, no CPU has more than the
 * authoritative entry gives; who has a copy is a holder; no frame is lost; everybody gets on.
 *
 * Planted bugs:
 *   COPY_WITH_INTERRUPTS_ON  only the write of the copy is with interrupts off
 *   NO_SECOND_LOOK           the authoritative entry is not looked at again
 *   LOOK_BEFORE_HOLDING      the second look comes before the CPU is in the set
 *   NOT_A_HOLDER             a fault does not put its CPU into the set
 *   TAKEN_WITH_COPIES_LEFT   also an operation that leaves the copies empties the set
 *   LEAVE_WITH_OLD_COPY      a fault that gives up leaves the set although it has an older copy
 *   HOLDERS_BEFORE_CHANGE    an operation reads the set before it changes the entry
 *   FREE_BEFORE_ANSWERS      the frame is free before all holders have answered
 *   UNLOCK_BEFORE_ANSWERS    the lock is free before all holders have answered
 *   NO_FORGETTING            a holder clears its copy and goes on with what it remembers of it
 *   SAME_FRAME_IS_ENOUGH     the second look does not compare the permissions
 */
#define CPUS 3
#define FRAMES 2

/* Permission 0 is read, 1 is read and write. */
#define UNMAPPED 0
#define RESERVED(permission) (1 + (permission))
#define BUSY(permission) (4 + (permission))
#define PRESENT(frame, permission) (6 + 2 * (frame) + (permission))
#define isReserved(entry) (entry == 1 || entry == 2)
#define isBusy(entry) (entry == 4 || entry == 5)
#define isPresent(entry) (entry >= 6)
#define permissionOf(entry) (isReserved(entry) -> entry - 1 : (entry & 1))
#define frameOf(entry) ((entry - 6) / 2)
#define BIT(number) (1 << (number))

byte truth = RESERVED(1);
byte holders;
bool lock;
mtype = { free, held, mapped, dying };
mtype frame[FRAMES] = free;

byte copy[CPUS];
byte tlb[CPUS];
byte asked[CPUS];           /* by the asking CPU: who has not answered */
bool kept[CPUS];            /* by the asking CPU: copies stay, to read only */
bool interruptsOff[CPUS];
byte finished;

#define isAsked(cpu_) ((asked[0] | asked[1] | asked[2]) & BIT(cpu_))

#define reduced(entry) (entry == 0 -> 0 : PRESENT(frameOf(entry), 0))
#define isTakenBy(cpu_, asker) ((asked[asker] & BIT(cpu_)) && !kept[asker])

/* What the handler does, with interrupts off. */
inline answer(cpu_) {
  d_step {
    copy[cpu_] =
      (isTakenBy(cpu_, 0) || isTakenBy(cpu_, 1) || isTakenBy(cpu_, 2) -> 0 : reduced(copy[cpu_]));
#ifndef NO_FORGETTING
    tlb[cpu_] = 0;
#endif
    asked[0] = asked[0] & ~BIT(cpu_);
    asked[1] = asked[1] & ~BIT(cpu_);
    asked[2] = asked[2] & ~BIT(cpu_)
  }
}

proctype Answers(byte cpu) {
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
    if :: new < FRAMES -> frame[new] = held :: else fi
  }
}

/* A fault; leaves `found` = 1 when the access is worth another try. */
inline fault() {
  found = 2;
  do
  :: found != 2 -> break
  :: else ->
    entry = truth;
    if
    :: isBusy(entry) -> found = 1
    :: entry == UNMAPPED || (!isBusy(entry) && permissionOf(entry) < writes) -> found = 0
    :: isReserved(entry) && permissionOf(entry) >= writes ->
      takeFrame();
      if
      :: new == FRAMES -> found = 0
      :: else ->
        d_step {
          if
          :: truth == entry -> truth = PRESENT(new, permissionOf(entry)); frame[new] = mapped
          :: else -> frame[new] = free
          fi
        }
      fi
    :: isPresent(entry) && permissionOf(entry) >= writes -> fillCopy()
    fi
  od;
  skip;
  d_step { entry = 0; new = 0 }
}

/* Copies `entry` into the CPU's own table. */
inline fillCopy() {
#ifndef COPY_WITH_INTERRUPTS_ON
  interruptsOff[cpu] = true;
#endif
#ifdef LOOK_BEFORE_HOLDING
  new = (truth == entry);
#endif
#ifndef NOT_A_HOLDER
  holders = holders | BIT(cpu);
#endif
#ifdef NO_SECOND_LOOK
  new = true;
#else
#ifdef SAME_FRAME_IS_ENOUGH
  d_step { new = false; if :: isPresent(truth) -> new = (frameOf(truth) == frameOf(entry)) :: else fi };
#else
#ifndef LOOK_BEFORE_HOLDING
  new = (truth == entry);
#endif
#endif
#endif
#ifdef COPY_WITH_INTERRUPTS_ON
  interruptsOff[cpu] = true;
#endif
  if
  :: new -> d_step { copy[cpu] = entry; tlb[cpu] = 0; found = 1 }
  :: else ->
    /* Not the truth any more. An older copy goes before its CPU leaves the set. */
#ifdef LEAVE_WITH_OLD_COPY
    holders = holders & ~BIT(cpu);
#else
    d_step { copy[cpu] = 0; tlb[cpu] = 0 };
    holders = holders & ~BIT(cpu);
#endif
  fi;
  interruptsOff[cpu] = false
}

inline access() {
  do
  :: d_step {
      tlb[cpu] != 0 && permissionOf(tlb[cpu]) >= writes ->
      assert(frame[frameOf(tlb[cpu])] == mapped || frame[frameOf(tlb[cpu])] == dying)
    };
    break
  :: d_step {
      (tlb[cpu] == 0 || permissionOf(tlb[cpu]) < writes) &&
      copy[cpu] != 0 && permissionOf(copy[cpu]) >= writes ->
      tlb[cpu] = copy[cpu]
    }
  :: else ->
    fault();
    if :: found == 0 -> break :: else fi
  od;
  skip;
  d_step { found = 0; writes = 0 }
}

/* The CPU drops what it has, and only then leaves the set. */
inline giveUp() {
  interruptsOff[cpu] = true;
  d_step { copy[cpu] = 0; tlb[cpu] = 0 };
  holders = holders & ~BIT(cpu);
  interruptsOff[cpu] = false
}

inline readHolders() {
  d_step {
    targets = holders;
#ifdef TAKEN_WITH_COPIES_LEFT
    holders = 0
#else
    if :: !kept[cpu] -> holders = 0 :: else fi
#endif
  }
}

#define UNMAP 0
#define MAP 1
#define PROTECT 2
#define ALLOW 3
#define DROP 4

inline operate() {
  do
  :: atomic { !lock -> lock = true; interruptsOff[cpu] = true }; break
  :: isAsked(cpu) -> answer(cpu)
  od;
  skip;
  kept[cpu] = (operation == PROTECT);
#ifdef HOLDERS_BEFORE_CHANGE
  readHolders();
#endif
  d_step {
    entry = truth;
    new = FRAMES;
    if
    :: operation == UNMAP ->
      truth = UNMAPPED;
      if :: isPresent(entry) -> new = frameOf(entry) :: else fi
    :: operation == MAP -> if :: entry == UNMAPPED -> truth = RESERVED(1) :: else fi
    :: operation == PROTECT || operation == ALLOW ->
      if
      :: isReserved(entry) -> truth = RESERVED(operation == ALLOW -> 1 : 0)
      :: isPresent(entry) -> truth = PRESENT(frameOf(entry), (operation == ALLOW -> 1 : 0))
      :: else
      fi
    :: operation == DROP ->
      if
      :: isPresent(entry) -> truth = BUSY(permissionOf(entry)); new = frameOf(entry)
      :: else
      fi
    fi;
    changed = isPresent(entry) && (new < FRAMES || operation == PROTECT && permissionOf(entry) == 1);
    if :: new < FRAMES -> frame[new] = dying :: else fi
  }
#ifdef FREE_BEFORE_ANSWERS
  d_step { if :: new < FRAMES -> frame[new] = free :: else fi }
#endif
#ifdef UNLOCK_BEFORE_ANSWERS
  d_step { lock = false; interruptsOff[cpu] = false }
#endif
  if
  :: changed ->
#ifndef HOLDERS_BEFORE_CHANGE
    readHolders();
#endif
    asked[cpu] = targets;
    if :: targets & BIT(cpu) -> answer(cpu) :: else fi;
    do
    :: asked[cpu] == 0 -> break
    :: isAsked(cpu) -> answer(cpu)
    od;
  :: else
  fi;
  skip;
  /* What CPUs have is no more than the truth. */
  d_step {
    index = 0;
    do
    :: index < CPUS ->
      if
      :: tlb[index] != 0 ->
        assert(isPresent(truth) && frameOf(truth) == frameOf(tlb[index]));
        assert(permissionOf(truth) >= permissionOf(tlb[index]))
      :: else
      fi;
      if
      :: copy[index] != 0 ->
        assert(isPresent(truth) && frameOf(truth) == frameOf(copy[index]));
        assert(permissionOf(truth) >= permissionOf(copy[index]))
      :: else
      fi;
      assert(copy[index] == 0 || holders & BIT(index));
      index++
    :: else -> break
    od;
    index = 0
  }
  d_step { if :: isBusy(truth) -> truth = RESERVED(permissionOf(truth)) :: else fi }
  d_step { if :: new < FRAMES -> frame[new] = free :: else fi };
#ifndef UNLOCK_BEFORE_ANSWERS
  d_step { lock = false; interruptsOff[cpu] = false };
#endif
  d_step { entry = 0; new = 0; targets = 0; changed = false }
}

proctype CPU(byte cpu) {
  byte entry, new, found, index, writes, operation, targets, count;
  bool changed;
  do
  :: count == 2 -> break
  :: else ->
    count++;
    if
    :: cpu == 0 || cpu == 1 && count == 1 ->
      /* Pairs that can hurt each other; with all of them the search takes too long. */
      if
      :: cpu == 1 -> if :: operation = PROTECT :: operation = DROP fi
      :: cpu == 0 && count == 1 -> if :: operation = ALLOW :: operation = DROP :: operation = UNMAP fi
      :: cpu == 0 && count == 2 -> if :: operation = UNMAP :: operation = MAP :: operation = PROTECT fi
      fi;
      operate()
    :: cpu == 2 || cpu == 1 && count == 2 ->
      if
      :: writes = 0; access()
      :: writes = 1; access()
      :: cpu == 2 -> giveUp()
      fi
    fi;
    operation = 0
  od;
  finished++
}

proctype Balance() {
  byte index;
  finished == CPUS;
  d_step {
    do
    :: index < FRAMES ->
      assert(frame[index] == held ||
        (frame[index] == mapped) == (isPresent(truth) && frameOf(truth) == index));
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
    run Answers(0);
    run Answers(1);
    run Answers(2);
    run Balance()
  }
}
