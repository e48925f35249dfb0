// The C and assembly half of `Machine`. Only the module `Machine` may import this, except that
// any kernel module may define one of the entry points named at the end.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include "closure.h"
#include "size_classes.h"
#include "locking_storage.h"

#if defined(__x86_64__) && __STDC_HOSTED__ == 0
#include "cmachine_x86_64.h"
#else
#include "cmachine_hosted.h"
#endif
