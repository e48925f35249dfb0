/* Models Sources/Locking/SeqLock.swift: a value of two words, and a sequence that is odd while it is written.
 *
 * Two writers write twice each, one at a time by their lock; two CPUs read once each, and look again until no
 * writer came in between. A reader may wait for a writer, a writer for no reader. All interleavings of the
 * single reads and writes are tried, as sequential consistency has them: the memory orders are the
 * business of ThreadSanitizer.
 *
 * Checked: the words that a reader returns were written by one write, and never by an older one than
 * the one that was complete when it began; no deadlock.
 *
 * Planted bugs:
 *   NO_SECOND_LOOK         the reader does not compare the sequence after the words
 *   ODD_IS_TAKEN           the reader takes a value that it began to read while it was written
 *   SEQUENCE_AT_THE_END    the writer does not say that it begins
 *   WRITERS_AT_ONCE        writers do not keep each other out
 */
#define WRITERS 2
#define ROUNDS 2

byte sequence;
byte first;
byte second;
byte complete;                       /* the newest value that is written completely */
bool isLocked;

proctype Writer() {
  byte round, value, before;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
#ifndef WRITERS_AT_ONCE
    atomic { !isLocked -> isLocked = true };
#endif
    value = first + 1;
    before = sequence;
#ifndef SEQUENCE_AT_THE_END
    sequence = before + 1;
#endif
    first = value;
    second = value;
    atomic { sequence = before + 2; complete = value };
    isLocked = false;
    atomic { round++; value = 0; before = 0 }
  od
}

proctype Reader() {
  byte before, one, other, oldest;
  oldest = complete;
  do
  :: before = sequence;
    one = first;
    other = second;
    if
#ifdef ODD_IS_TAKEN
    :: sequence == before -> break
#else
#ifdef NO_SECOND_LOOK
    :: before % 2 == 0 -> break
#else
    :: before % 2 == 0 && sequence == before -> break
#endif
#endif
    :: else -> atomic { before = 0; one = 0; other = 0 }
    fi
  od;
  assert(one == other);
  assert(one >= oldest)
}

init {
  atomic {
    run Writer();
    run Writer();
    run Reader();
    run Reader()
  }
}
