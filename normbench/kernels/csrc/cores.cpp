// See cores.h.
#include "cores.h"

#ifdef __linux__
#include <sched.h>

extern "C" int64_t current_core() { return sched_getcpu(); }

extern "C" void leave_cores(const int64_t *cores, int64_t count) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
    cpu_set_t others = allowed;
    for (int64_t i = 0; i < count; i++) CPU_CLR(cores[i], &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others)) return;
    sched_setaffinity(0, sizeof allowed, &allowed);  // the thread stays where it is now
}
#else
extern "C" int64_t current_core() { return kNoCore; }

extern "C" void leave_cores(const int64_t *, int64_t) {}
#endif
