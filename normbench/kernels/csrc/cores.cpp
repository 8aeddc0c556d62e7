// See cores.h.
#include "cores.h"

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

// Thread 0 is the caller. A thread that may not use its core any more moves at once, and stays when it may again.
void move_to(int thread, const cpu_set_t &cores, const cpu_set_t &allowed) {
    if (sched_setaffinity(thread, sizeof cores, &cores) == 0) sched_setaffinity(thread, sizeof allowed, &allowed);
}

}  // namespace

extern "C" int64_t current_core() { return sched_getcpu(); }

extern "C" void leave_cores(const int64_t *cores, int64_t count) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
    cpu_set_t others = allowed;
    for (int64_t i = 0; i < count; i++) CPU_CLR(cores[i], &others);
    if (CPU_COUNT(&others) > 0) move_to(0, others, allowed);
}

void ThreadHandle::set_to_caller() {
    clockid_t found;
    if (pthread_getcpuclockid(pthread_self(), &found)) return;
    clock = found;
    id = syscall(SYS_gettid);
}

int64_t ThreadHandle::run_time() const {
    timespec time = {};
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

void ThreadHandle::bring_here() const {
    cpu_set_t allowed, here;
    const int thread = id, core = sched_getcpu();
    if (core < 0 || sched_getaffinity(thread, sizeof allowed, &allowed) || !CPU_ISSET(core, &allowed)) return;
    CPU_ZERO(&here);
    CPU_SET(core, &here);
    move_to(thread, here, allowed);
}
#else
extern "C" int64_t current_core() { return kNoCore; }

extern "C" void leave_cores(const int64_t *, int64_t) {}

void ThreadHandle::set_to_caller() {}

int64_t ThreadHandle::run_time() const { return 0; }

void ThreadHandle::bring_here() const {}
#endif
