/* Models Sources/Locking/RWSpinLockCore.swift: a word that counts readers and has a bit for a writer inside and
 * one for a writer that waits; who has to wait takes the lock of the queue first.
 *
 * Three CPUs, each of which reads or writes twice, chosen freely. The lock of the queue is a plain one
 * here: Models/SpinLock.pml is about it. To wait is a single step. All interleavings of the single
 * reads and atomic operations are tried, as sequential consistency has them.
 *
 * Checked: a writer is alone, readers are not with a writer; no deadlock; a reader that came while a writer
 * was waiting at the head of the queue does not get in before it; in the end the word is 0.
 *
 * Planted bugs:
 *   COUNT_IS_NOT_TAKEN_BACK   a reader that cannot enter leaves its count in the word while it queues
 *   WRITER_DOES_NOT_LOOK      the writer at the head waits for no readers
 *   READER_ENTERS_AT_ONCE     the reader at the head does not wait for the writer inside
 *   WRITER_CLEARS_THE_WORD    a writer leaves by writing 0, and marks of others are lost
 *   NO_MARK_OF_WAITING        a writer waits without its mark, and readers pass it
 */
#define ROUNDS 2

byte readers;                        /* the word: its count, */
bool waits;                          /* the bit of a writer that waits, */
bool writes;                         /* and that of one inside */
bool isQueueLocked;
byte reading;
byte writing;
bool isFirst;                        /* a writer is at the head of the queue, and its mark should be set */
byte running = 3;

inline enqueue() { atomic { !isQueueLocked -> isQueueLocked = true } }
inline dequeue() { isQueueLocked = false }

inline read() {
  atomic {
    readers++;
    was = (waits || writes);
    /* Nobody passes a writer that was at the head before. */
    if :: !was -> assert(!isFirst); reading++; assert(writing == 0) :: was -> skip fi
  };
  if
  :: !was -> skip
  :: was ->
#ifndef COUNT_IS_NOT_TAKEN_BACK
    readers--;
#endif
    enqueue();
#ifndef COUNT_IS_NOT_TAKEN_BACK
    readers++;
#endif
#ifdef READER_ENTERS_AT_ONCE
    atomic { reading++; assert(writing == 0) };
#else
    atomic { !writes -> reading++; assert(writing == 0) };
#endif
    dequeue()
  fi;
  atomic { was = false; reading-- };
  readers--
}

inline write() {
  atomic {
    was = (readers != 0 || waits || writes);
    if :: !was -> writes = true; writing++; assert(writing == 1 && reading == 0) :: was -> skip fi
  };
  if
  :: !was -> skip
  :: was ->
    enqueue();
#ifdef NO_MARK_OF_WAITING
    isFirst = true;
    atomic { readers == 0 && !writes -> writes = true; isFirst = false; writing++; assert(writing == 1 && reading == 0) };
#else
    atomic { waits = true; isFirst = true };
#ifdef WRITER_DOES_NOT_LOOK
    atomic { !writes -> waits = false; writes = true; isFirst = false; writing++; assert(writing == 1 && reading == 0) };
#else
    atomic { readers == 0 && !writes -> waits = false; writes = true; isFirst = false; writing++; assert(writing == 1 && reading == 0) };
#endif
#endif
    dequeue()
  fi;
  atomic { was = false; writing-- };
#ifdef WRITER_CLEARS_THE_WORD
  atomic { writes = false; waits = false; readers = 0 }
#else
  writes = false
#endif
}

active [3] proctype CPU() {
  byte round;
  bool was;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS -> if :: read() :: write() fi; round++
  od;
  atomic {
    running--;
    if
    :: running == 0 -> assert(readers == 0 && !waits && !writes && !isQueueLocked)
    :: else
    fi
  }
}
