/* Models Sources/Kernel/CPUWork.swift: `run` and `wait`, where a CPU without work halts.
 *
 * CPU 0 has work done on the CPUs 1 and 2, whose work is to have work done on the respective other
 * two; with 3 levels the last have work of their own done as well. A mailbox is a queue here, whose
 * operations are single steps: `Mailbox.pml` is about their insides. An interrupt is a flag; a CPU
 * with interrupts on may take it at any time, and it then has no effect but to have gone.
 *
 * Checked: nobody halts for ever with work in the mailbox or with what it waits for done; nobody
 * waits in a circle; a completion is not touched after its waiter has gone on; at the end every
 * piece of work has been done once.
 *
 * Planted bugs:
 *   CHECK_WITH_INTERRUPTS_ON  the mailbox is looked at before interrupts go off
 *   DONE_UNCHECKED            with interrupts off only the mailbox is looked at
 *   NO_WAKE_AT_END            the last to finish does not wake the waiter
 *   WAKE_BEFORE_POST          the wake-up is sent before the request is in the mailbox
 *   STALE_EMPTINESS           whether the mailbox is empty is read before the request goes in
 *   WAIT_WITHOUT_SERVING      who waits for work does not do what it is asked
 */
#ifndef LEVELS
#define LEVELS 2
#endif
#define CPUS 3
#define COMPLETIONS 14

mtype = { returned };

/* Work of level n has work of level n - 1 done; the completion counts it. */
chan mailbox[CPUS] = [8] of { byte, byte };
bool interrupt[CPUS];        /* pending */
bool interruptsOn[CPUS] = true;   /* interrupts are taken */

/* Completions are numbered from 1; 0 is that of a CPU that serves for ever. */
byte pending[COMPLETIONS];
byte waiter[COMPLETIONS];
bool alive[COMPLETIONS];
byte doneCount = 0;

inline post(cpu, other) {
#ifdef WAKE_BEFORE_POST
  interrupt[other] = true;
  mailbox[other]!level - 1, completion;
#else
#ifdef STALE_EMPTINESS
  wasEmpty = empty(mailbox[other]);
  mailbox[other]!level - 1, completion;
#else
  atomic { wasEmpty = empty(mailbox[other]); mailbox[other]!level - 1, completion }
#endif
  if
  :: wasEmpty -> interrupt[other] = true
  :: else
  fi;
#endif
}

/* `run` on the two other CPUs, by one that does work of `level`. */
inline runOnOthers() {
  d_step {
    completion = 1;
    do
    :: alive[completion] -> completion++
    :: else -> break
    od;
    alive[completion] = true;
    pending[completion] = 2;
    waiter[completion] = cpu
  }
  post(cpu, (cpu + 1) % CPUS);
  post(cpu, (cpu + 2) % CPUS);
  atomic { run Wait(cpu, completion, reply) }
  reply?returned;
  d_step {
    assert(pending[completion] == 0);
    alive[completion] = false;
    completion = 0
  }
}

/* `wait`; CPUs recur into it, so each call is a process, and its caller waits for the reply. */
proctype Wait(byte cpu; byte awaited; chan answer) {
  chan taken = [8] of { byte, byte };
  chan reply = [0] of { mtype };
  byte level, finished, completion, sleeper;
  bool wasEmpty, last;
  do
  ::
#ifdef WAIT_WITHOUT_SERVING
    if
    :: awaited != 0 -> goto served
    :: else
    fi;
#endif
    d_step {
      do
      :: nempty(mailbox[cpu]) -> mailbox[cpu]?level, finished; taken!level, finished
      :: empty(mailbox[cpu]) -> break
      od
    }
    do
    :: nempty(taken) ->
      taken?level, finished;
      if
      :: level > 0 -> runOnOthers()
      :: else
      fi;
      d_step {
        doneCount++;
        assert(alive[finished] && pending[finished] > 0);
        sleeper = waiter[finished];
        pending[finished]--;
        last = pending[finished] == 0
      }
      if
#ifndef NO_WAKE_AT_END
      :: last -> interrupt[sleeper] = true
#else
      :: last
#endif
      :: else
      fi;
      d_step { level = 0; finished = 0; sleeper = 0; last = false; wasEmpty = false }
    :: empty(taken) -> break
    od;
#ifdef WAIT_WITHOUT_SERVING
served:
#endif
    if
    :: awaited != 0 && pending[awaited] == 0 -> break
    :: else
    fi;
#ifdef CHECK_WITH_INTERRUPTS_ON
    if
    :: empty(mailbox[cpu]) && !(awaited != 0 && pending[awaited] == 0) -> interruptsOn[cpu] = false
    :: else -> goto on
    fi;
#else
    interruptsOn[cpu] = false;
    if
#ifdef WAIT_WITHOUT_SERVING
    :: awaited != 0
#endif
    :: empty(mailbox[cpu])
    :: nempty(mailbox[cpu]) -> goto on
    fi;
#ifndef DONE_UNCHECKED
    if
    :: awaited != 0 && pending[awaited] == 0 -> goto on
    :: else
    fi;
#endif
#endif
    /* `sti; hlt; cli`: nothing comes between the first two */
    if
    :: awaited == 0 ->
end_idle:
      atomic { interrupt[cpu] -> interrupt[cpu] = false }
    :: else -> atomic { interrupt[cpu] -> interrupt[cpu] = false }
    fi;
on:
    interruptsOn[cpu] = true
  od;
  answer!returned
}

/* The handler of the wake-up interrupt, which does nothing. */
proctype Handler(byte cpu) {
end_handler:
  do
  :: atomic { interruptsOn[cpu] && interrupt[cpu] -> interrupt[cpu] = false }
  od
}

proctype Main(byte cpu) {
  chan reply = [0] of { mtype };
  byte level = LEVELS, completion;
  bool wasEmpty;
  runOnOthers();
#if LEVELS == 2
  assert(doneCount == 2 + 4);
#else
  assert(doneCount == 2 + 4 + 8);
#endif
  /* The program ends when `main` returns; nothing may be left to do. */
  assert(empty(mailbox[0]) && empty(mailbox[1]) && empty(mailbox[2]))
}

chan nobody = [0] of { mtype };

init {
  atomic {
    run Handler(0);
    run Handler(1);
    run Handler(2);
    run Wait(1, 0, nobody);
    run Wait(2, 0, nobody);
    run Main(0)
  }
}
