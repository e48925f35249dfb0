// The simulated CPU that a thread of the host plays: index 0 with interrupts on, until it says
// otherwise.
#include "cmachine.h"
#if __STDC_HOSTED__ != 0

_Thread_local struct apus_simulated_processor apus_processor_of_thread = {
    .interrupts_enabled = 1,
};
#endif
