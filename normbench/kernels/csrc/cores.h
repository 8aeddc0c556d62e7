// The cores of the processor, where the system tells about them: on Linux.
#pragma once
#include <cstdint>

constexpr int64_t kNoCore = -1;

extern "C" {
// Where the calling thread runs; kNoCore if the system does not tell.
int64_t current_core();
// Moves the calling thread to another core than the `count` of `cores`; it stays if it may use no other one. The cores
// that it may use are the same afterwards.
void leave_cores(const int64_t *cores, int64_t count);
}
