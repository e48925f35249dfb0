/* Models Sources/PhysicalMemory/FrameAllocator.swift and FrameCache.swift: a CPU's cache of free
 * frames, its refill from the buddy system and its drain back into it, and what a CPU does that
 * finds no frame.
 *
 * Three CPUs allocate and free a frame each, twice, and there are three frames; so every allocation
 * must succeed, in whosever cache the frames are. A full cache of two frames is drained, a refill
 * brings up to three. In a run of its own two CPUs free the same frame at the same time. All interleavings of the single
 * reads, writes and atomic operations are tried, as sequential consistency has them: the memory
 * orders are the business of ThreadSanitizer.
 *
 * Checked: no frame has two holders, or lies in two places; whoever asks for a frame gets one; a
 * frame that is freed twice is refused once; at the end all frames are free; nobody waits for ever.
 *
 * Planted bugs:
 *   HOT_PATH_WITHOUT_CLAIM   a CPU uses its own cache while another one drains it
 *   SAY_SO_AT_ONCE           that nothing is free is said when the buddy system is empty
 *   ONE_AFTER_THE_OTHER      the caches are drained one by one, each claim released before the next
 *   CHECK_THEN_WRITE         a record is read and then written, not compared and changed at once
 *   KEEP_OWN_CLAIM           a CPU drains the others while it holds its own claim
 */
#define CPUS 3
#define FRAMES 3
#define ROOM 2
#define BATCH 3

/* The kinds of records. */
#define FREE 0
#define CACHED 1
#define HELD 2

byte record[FRAMES];
byte buddies = 7;            /* a bit for each frame in the buddy system */
bool locked = false;         /* the buddy system's lock */

bool claimed[CPUS];
byte cache[CPUS];            /* a bit for each frame */

byte holders[FRAMES];
byte refusals = 0, doubles = 0;
byte running = CPUS;

#define BIT(frame) (1 << (frame))
#define COUNT(set) (((set) & 1) + ((set) >> 1 & 1) + ((set) >> 2 & 1))
#define LOWEST(set) ((set) & 1 -> 0 : ((set) & 2 -> 1 : 2))
#define ALONE(frame) \
  (((buddies >> (frame)) & 1) + ((cache[0] >> (frame)) & 1) + ((cache[1] >> (frame)) & 1) + \
   ((cache[2] >> (frame)) & 1) <= 1)

/* An exchange that has to find the claim free. */
inline claim(cpu) { atomic { !claimed[cpu] -> claimed[cpu] = true } }
inline claimIfFree(cpu, got) {
  d_step {
    got = !claimed[cpu];
    claimed[cpu] = true
  }
}
inline release(cpu) { claimed[cpu] = false }
inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* Takes a frame out of a cache, in the two steps that it is: the count is read, and written. */
inline pop(cpu) {
  seen = cache[cpu];
  if
  :: seen != 0 ->
    frame = LOWEST(seen);
    cache[cpu] = seen & ~BIT(frame);
    assert(record[frame] == CACHED);
    record[frame] = HELD;
    found = true
  :: else
  fi
}

/* Gives all that a cache has to the buddy system; with both locks. */
inline drain(cpu) {
  seen = cache[cpu];
  do
  :: seen != 0 ->
    frame = LOWEST(seen);
    seen = seen & ~BIT(frame);
    record[frame] = FREE;
    buddies = buddies | BIT(frame)
  :: else -> break
  od;
  cache[cpu] = 0
}

/* A frame straight from the buddy system; with its lock. */
inline takeFree() {
  if
  :: buddies != 0 ->
    frame = LOWEST(buddies);
    buddies = buddies & ~BIT(frame);
    record[frame] = HELD;
    found = true
  :: else
  fi
}

proctype CPU(byte own) {
  byte round, frame, seen, other, missing;
  bool found, isFreed, isClaimed;
  do
  :: round == 2 -> break
  :: else ->
    found = false;
    /* takeFromCache */
#ifdef HOT_PATH_WITHOUT_CLAIM
    pop(own);
#else
    claimIfFree(own, isClaimed);
    if
    :: isClaimed -> pop(own); release(own)
    :: else
    fi;
#endif
    if
    :: found
    :: else ->
      /* refillAndTake */
      claim(own);
      lock();
      missing = BATCH;
      do
      :: missing > 0 && buddies != 0 ->
        d_step {
          frame = LOWEST(buddies);
          buddies = buddies & ~BIT(frame);
          record[frame] = CACHED;
          cache[own] = cache[own] | BIT(frame);
          missing--
        }
      :: else -> break
      od;
      unlock();
      pop(own);
#ifdef KEEP_OWN_CLAIM
      if
      :: found -> release(own)
      :: else
      fi
#else
      release(own)
#endif
    fi;
    if
    :: found
    :: else ->
      /* withEveryCacheEmpty */
#ifndef SAY_SO_AT_ONCE
#ifdef ONE_AFTER_THE_OTHER
      other = 0;
      do
      :: other < CPUS ->
        claim(other);
        lock();
        drain(other);
        unlock();
        release(other);
        other++
      :: else -> break
      od;
      lock();
      takeFree();
      unlock();
#else
      other = 0;
      do
      :: other < CPUS ->
#ifdef KEEP_OWN_CLAIM
        if
        :: other == own
        :: else -> claim(other)
        fi;
#else
        claim(other);
#endif
        other++
      :: else -> break
      od;
      lock();
      other = 0;
      do
      :: other < CPUS -> drain(other); other++
      :: else -> break
      od;
      takeFree();
      unlock();
      other = 0;
      do
      :: other < CPUS -> release(other); other++
      :: else -> break
      od;
#endif
#endif
      skip
    fi;
    /* There are as many frames as CPUs. */
    assert(found);
    d_step {
      holders[frame]++;
      assert(holders[frame] == 1);
      assert(ALONE(frame) && !(buddies & BIT(frame)))
    }
    holders[frame]--;
    /* giveToCache; when another CPU drains the cache, freeSlowly */
    claimIfFree(own, isClaimed);
    if
    :: isClaimed ->
#ifdef CHECK_THEN_WRITE
      isFreed = record[frame] == HELD;
      if
      :: isFreed -> record[frame] = CACHED
      :: else
      fi;
#else
      d_step {
        isFreed = record[frame] == HELD;
        if
        :: isFreed -> record[frame] = CACHED
        :: else
        fi
      }
#endif
      assert(isFreed);
      if
      :: COUNT(cache[own]) == ROOM ->
        other = frame;
        lock();
        drain(own);
        unlock();
        frame = other
      :: else
      fi;
      seen = cache[own];
      cache[own] = seen | BIT(frame);
      release(own)
    :: else ->
      lock();
#ifdef CHECK_THEN_WRITE
      isFreed = record[frame] == HELD;
      if
      :: isFreed -> record[frame] = FREE
      :: else
      fi;
#else
      d_step {
        isFreed = record[frame] == HELD;
        if
        :: isFreed -> record[frame] = FREE
        :: else
        fi
      }
#endif
      assert(isFreed);
      buddies = buddies | BIT(frame);
      unlock()
    fi;
    isClaimed = false;
    d_step { frame = 0; seen = 0; other = 0 }
    round++
  od;
  running--
}

/* Two CPUs that free one and the same frame at the same time. */
proctype Twice(byte own) {
  bool isFreed;
  claim(own);
#ifdef CHECK_THEN_WRITE
  isFreed = record[0] == HELD;
  if
  :: isFreed -> record[0] = CACHED
  :: else
  fi;
#else
  d_step {
    isFreed = record[0] == HELD;
    if
    :: isFreed -> record[0] = CACHED
    :: else
    fi
  }
#endif
  if
  :: isFreed -> cache[own] = cache[own] | BIT(0)
  :: else -> refusals++
  fi;
  assert(ALONE(0));
  release(own);
  doubles++
}

init {
  byte frame;
  if
  :: /* The CPUs allocate and free. */
    atomic { run CPU(0); run CPU(1); run CPU(2) }
    running == 0;
    assert(refusals == 0);
    d_step {
      assert((buddies | cache[0] | cache[1] | cache[2]) == 7);
      assert(ALONE(0) && ALONE(1) && ALONE(2))
    }
  :: /* A frame is freed twice. */
    d_step { buddies = 6; record[0] = HELD }
    atomic { run Twice(0); run Twice(1) }
    doubles == 2;
    assert(refusals == 1)
  fi
}
