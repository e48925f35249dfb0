/* Models Sources/Interrupts/InterruptTable.swift with InterruptRegistry.swift and the mask in
 * InterruptRegistration.swift: who holds a line back when a handler leaves its device to a thread, and the handler
 * is moved to another CPU meanwhile.
 *
 * A device wants something three times, each time when it has been served before. Its handler wakes a thread on
 * another CPU and then has the line held back, unless somebody has let it through since the handler began. The
 * thread serves the device and lets the line through. An owner holds the line back twice, for a move, and lets it
 * through afterwards unless it is held back for the thread.
 *
 * Checked: all wishes are served, so the line is not held back for ever; where the handler has ended before
 * the thread lets the line through, it is held back; the line does not call the handler while it is held back for
 * the thread.
 *
 * Planted bugs:
 *   MASKED_ALWAYS     the handler has the line held back whatever came in between
 *   COUNT_READ_LATE   the handler looks how often the line was let through when it has woken the thread
 *   NO_LOCK           the count is compared, and the line held back, without the registry's lock
 *   MOVE_UNMASKS      a move lets the line through whoever holds it back
 */
#define WISHES 3
#define MOVES 2

bool wanted, pending, masked, lock;
bool held; /* for the thread; `masked` is the hardware's, which a move masks too */
byte permits, unmaskings;

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

active proctype Device() {
  byte wish;
  for (wish : 1 .. WISHES) {
    wanted = true;
    pending = true;
    !wanted
  }
}

active proctype Handler() {
  byte seen;
  bool isMasked;
end:
  do
  :: atomic { pending && !masked -> pending = false; assert(!held) };
#ifdef COUNT_READ_LATE
    permits++;
    seen = unmaskings;
#else
    seen = unmaskings;
    permits++;
#endif
#ifndef NO_LOCK
    acquire();
#endif
#ifdef MASKED_ALWAYS
    isMasked = true;
#else
    isMasked = unmaskings == seen;
#endif
    if
    :: isMasked -> held = true; masked = true
    :: else
    fi;
#ifndef NO_LOCK
    assert(unmaskings != seen || masked);
    release();
#endif
    isMasked = false
  od
}

active proctype Thread() {
end:
  do
  :: atomic { permits > 0 -> permits-- };
    wanted = false;
    acquire();
    unmaskings++;
    held = false;
    masked = false;
    release()
  od
}

active proctype Owner() {
  byte move;
  for (move : 1 .. MOVES) {
    acquire();
    masked = true;
    release();
    /* The old CPU is waited for, and the handler's home changes. */
    acquire();
#ifdef MOVE_UNMASKS
    masked = false;
#else
    if
    :: !held -> masked = false
    :: else
    fi;
#endif
    release()
  }
}
