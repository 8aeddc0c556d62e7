// The cores of the processor and the threads on them, where the system tells: on Linux. Elsewhere nothing happens.
#pragma once
#include <atomic>
#include <cstdint>

constexpr int64_t kNoCore = -1;

extern "C" {
// Where the calling thread runs; kNoCore if the system does not tell.
int64_t current_core();
// Moves the calling thread to another core than the `count` of `cores`; it stays if it may use no other one. The cores
// that it may use are the same afterwards.
void leave_cores(const int64_t *cores, int64_t count);
}

// A thread as other threads of the process see it.
class ThreadHandle {
  public:
    void set_to_caller();
    // Nanoseconds in which it has had a core.
    int64_t run_time() const;
    // Lets it go on at the caller's core. The cores that it may use are the same afterwards.
    void bring_here() const;

  private:
    std::atomic<int> id{0}, clock{0};
};
