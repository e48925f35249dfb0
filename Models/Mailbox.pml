/* Models Sources/PerCPU/Mailbox.swift: `Mailbox` and `Completion`.
 *
 * Two CPUs post requests to the mailbox of a third: each twice, with two requests and one completion
 * in memory that it takes back, and uses again, as soon as it sees the completion. All interleavings
 * of the single reads, writes and atomic operations are tried, as sequential consistency has them:
 * the memory orders are the business of ThreadSanitizer.
 *
 * Checked: every request is done exactly once; those of one CPU in the order in which it posted
 * them; nobody touches memory that has been taken back; each completion wakes its waiter exactly
 * once; of those who fill an empty mailbox each, and nobody else, is told to notify the owner;
 * every producer gets on.
 *
 * Planted bugs:
 *   POST_BY_STORE       `post` stores the head instead of comparing first
 *   TAKE_IN_TWO_STEPS   the owner reads the head and then clears it
 *   NEXT_AFTER_FINISH   the next request is read from one that is finished
 *   WAITER_AFTER_FINISH the waiter is read from a completion that may be gone
 *   NO_REVERSAL         requests are done in the order of the stack
 */
#define PRODUCERS 2
#define PER_ROUND 2
#define ROUNDS 2
#define REQUESTS 4

/* Requests are numbered from 1; 0 is the null pointer. */
byte head = 0;
byte next[REQUESTS + 1];
bool alive[REQUESTS + 1];    /* whether the memory of request and completion is its poster's gift */
byte number[REQUESTS + 1];   /* its place in what its poster posts */

byte pending[PRODUCERS];
bool completionAlive[PRODUCERS];
byte woken[PRODUCERS];

byte lastDone[PRODUCERS];    /* the number of the producer's last request that was done */
byte told = 0, taken = 0;
byte running = PRODUCERS;

#define PRODUCER_OF(request) (((request) - 1) / PER_ROUND)

proctype Producer(byte own) {
  byte round, index, request, first;
  bool exchanged;
  do
  :: round == ROUNDS -> break
  :: else ->
    d_step {
      completionAlive[own] = true;
      pending[own] = PER_ROUND;
      index = 0;
      do
      :: index < PER_ROUND ->
        request = own * PER_ROUND + index + 1;
        alive[request] = true;
        number[request] = round * PER_ROUND + index + 1;
        index++
      :: else -> break
      od;
      index = 0
    }
    do
    :: index == PER_ROUND -> break
    :: else ->
      request = own * PER_ROUND + index + 1;
      first = head;
      do
      :: assert(alive[request]);
        next[request] = first;
#ifdef POST_BY_STORE
        head = request; exchanged = true;
#else
        d_step {
          if
          :: head == first -> head = request; exchanged = true
          :: else -> first = head; exchanged = false
          fi
        }
#endif
        if
        :: exchanged -> break
        :: else
        fi
      od;
      if
      :: first == 0 -> told++
      :: else
      fi;
      index++
    od;
    /* isDone, and then the memory goes */
    pending[own] == 0;
    d_step {
      completionAlive[own] = false;
      index = 0;
      do
      :: index < PER_ROUND -> alive[own * PER_ROUND + index + 1] = false; index++
      :: else -> break
      od;
      index = 0; request = 0; first = 0
    }
    /* Waking is the last thing that the owner does for a completion. */
    round++
  od;
  assert(lastDone[own] == ROUNDS * PER_ROUND);
  running--
}

proctype Owner() {
  byte newest, oldest, request, waiter;
  bool last;
  do
  :: head != 0 ->
#ifdef TAKE_IN_TWO_STEPS
    newest = head;
    head = 0;
#else
    d_step { newest = head; head = 0 }
#endif
    taken++;
#ifdef NO_REVERSAL
    oldest = newest; newest = 0;
#else
    oldest = 0;
    do
    :: newest != 0 ->
      assert(alive[newest]);
      d_step {
        request = newest;
        newest = next[request]
      }
      next[request] = oldest;
      oldest = request
    :: else -> break
    od;
#endif
    do
    :: oldest != 0 ->
      assert(alive[oldest]);
      request = oldest;
#ifndef NEXT_AFTER_FINISH
      oldest = next[request];
#endif
      /* the function: each once, and in order */
      d_step {
        assert(number[request] == lastDone[PRODUCER_OF(request)] + 1);
        lastDone[PRODUCER_OF(request)] = number[request]
      }
      /* finishOne */
      assert(completionAlive[PRODUCER_OF(request)]);
#ifndef WAITER_AFTER_FINISH
      waiter = PRODUCER_OF(request);
#endif
      d_step {
        assert(completionAlive[PRODUCER_OF(request)] && pending[PRODUCER_OF(request)] > 0);
        pending[PRODUCER_OF(request)]--;
        last = pending[PRODUCER_OF(request)] == 0
      }
#ifdef WAITER_AFTER_FINISH
      assert(completionAlive[PRODUCER_OF(request)]);
      waiter = PRODUCER_OF(request);
#endif
      if
      :: last -> woken[waiter]++
      :: else
      fi;
#ifdef NEXT_AFTER_FINISH
      assert(alive[request]);
      oldest = next[request];
#endif
      request = 0
    :: else -> break
    od
  :: head == 0 && running == 0 -> break
  od;
  assert(told == taken);
  assert(woken[0] == ROUNDS && woken[1] == ROUNDS)
}

init {
  atomic {
    run Owner();
    run Producer(0);
    run Producer(1)
  }
}
