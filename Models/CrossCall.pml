/* Models Sources/Interrupts/CrossCall.swift: calls that run in an interrupt.
 *
 * Three CPUs call the respective other two: CPU 0 with interrupts off and twice, with the same
 * memory; CPU 1 with interrupts off; CPU 2 with interrupts on. A mailbox is a queue here, whose operations
 * are single steps: `Mailbox.pml` is about their insides. A handler stops what it interrupts.
 *
 * Checked: CPUs that call each other with interrupts off all get on; a function never interrupts
 * another one on the same CPU; a call's memory is not touched when it is its caller's again; when
 * a call is done it has run on both CPUs.
 *
 * Planted bugs:
 *   WAIT_WITHOUT_ANSWERING    who waits does not do what others ask
 *   HANDLE_WITH_INTERRUPTS_ON `handleAll` leaves interrupts on
 *   COUNT_AFTER_POST          the completion's count is set after the requests are posted
 *   END_WITHOUT_WAIT          the memory is used again before the call is done
 */
#define CPUS 3
#define CALLS(cpu) (cpu == 0 -> 2 : 1)

/* Whose call it is, and which of them. */
chan mailbox[CPUS] = [6] of { byte, byte };
bool interrupt[CPUS];
bool interruptsOn[CPUS];
bool inHandler[CPUS];
bool inFunction[CPUS];

/* One completion for each CPU. */
byte pending[CPUS];
byte number[CPUS];           /* the call that its memory is in use for */
byte ran[CPUS];              /* on how many CPUs that call has run */

inline doAll() {
  d_step {
    do
    :: nempty(mailbox[cpu]) -> mailbox[cpu]?caller, call; taken!caller, call
    :: empty(mailbox[cpu]) -> break
    od
  }
  do
  :: nempty(taken) ->
    taken?caller, call;
    d_step {
      assert(!inFunction[cpu]);
      inFunction[cpu] = true;
      assert(number[caller] == call)
    }
    d_step {
      assert(number[caller] == call);
      ran[caller]++;
      inFunction[cpu] = false
    }
    d_step {
      assert(number[caller] == call && pending[caller] > 0);
      pending[caller]--
    }
  :: empty(taken) -> break
  od;
  caller = 0;
  call = 0
}

inline post(other) {
  atomic { wasEmpty = empty(mailbox[other]); mailbox[other]!cpu, index }
  if
  :: wasEmpty -> interrupt[other] = true
  :: else
  fi
}

/* What the CPU does outside of handlers: it stands still while one runs. */
proctype Program(byte cpu) provided (!inHandler[_pid - 1]) {
  chan taken = [6] of { byte, byte };
  byte index = 1, caller, call;
  bool wasEmpty, wereEnabled;
  assert(cpu == _pid - 1);
  do
  :: index > CALLS(cpu) -> break
  :: else ->
    /* start */
    d_step {
      number[cpu] = index;
      ran[cpu] = 0;
#ifndef COUNT_AFTER_POST
      pending[cpu] = 2
#endif
    }
    post((cpu + 1) % CPUS);
    post((cpu + 2) % CPUS);
#ifdef COUNT_AFTER_POST
    pending[cpu] = 2;
#endif
#ifndef END_WITHOUT_WAIT
    /* wait */
    do
    :: pending[cpu] == 0 -> break
#ifndef WAIT_WITHOUT_ANSWERING
    :: nempty(mailbox[cpu]) ->
      wereEnabled = interruptsOn[cpu];
#ifndef HANDLE_WITH_INTERRUPTS_ON
      interruptsOn[cpu] = false;
#endif
      doAll();
      interruptsOn[cpu] = wereEnabled
#endif
    od;
    assert(ran[cpu] == 2);
#endif
    d_step { number[cpu] = 0; index++; wasEmpty = false; wereEnabled = false }
  od;
  interruptsOn[cpu] = true
}

/* The handler of the cross-call interrupt. */
proctype Handler(byte cpu) {
  chan taken = [6] of { byte, byte };
  byte caller, call;
end_handler:
  do
  :: atomic {
      interruptsOn[cpu] && interrupt[cpu] && !inHandler[cpu] ->
      interrupt[cpu] = false;
      inHandler[cpu] = true
    }
    doAll();
    inHandler[cpu] = false
  od
}

init {
  atomic {
    interruptsOn[2] = true;
    run Program(0);
    run Program(1);
    run Program(2);
    run Handler(0);
    run Handler(1);
    run Handler(2)
  }
}
