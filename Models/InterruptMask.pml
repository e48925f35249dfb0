/* Models Sources/Interrupts/InterruptTable.swift with InterruptRegistry.swift: who holds a line back when a
 * handler leaves its device to a thread.
 *
 * A device wants something three times, each time when it has been served before. Its handler wakes a thread on
 * another CPU and then has the line held back, unless somebody has let it through since the handler began. The
 * thread serves the device and lets the line through.
 *
 * Checked: all wishes are served, so the line is not held back for ever; where the handler has ended before
 * the thread lets the line through, it is held back.
 *
 * Planted bugs:
 *   MASKED_ALWAYS     the handler has the line held back whatever came in between
 *   COUNT_READ_LATE   the handler looks how often the line was let through when it has woken the thread
 *   NO_LOCK           the count is compared, and the line held back, without the registry's lock
 */
#define WISHES 3

bool wanted, pending, masked, lock;
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
  :: atomic { pending && !masked -> pending = false };
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
    :: isMasked -> masked = true
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
    masked = false;
    release()
  od
}
