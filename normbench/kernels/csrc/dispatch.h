// From a value in a descriptor to a template argument.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "vectors.h"

namespace {

template <int N>
struct Constant {
    static constexpr int value = N;
};

// Ends the process. Python checks every descriptor before an op is made, so this is a bug of the caller. A kernel that
// returned instead would leave its output uninitialized.
[[noreturn]] inline void unsupported(const char *op, const char *what, int64_t value) {
    fprintf(stderr, "normbench kernels: %s: unsupported %s: %lld\n", op, what, (long long)value);
    abort();
}

// Calls `call` with a value of the activations' type.
template <class Call>
void dispatch_dtype(const char *op, int64_t bf16, const Call &call) {
    switch (bf16) {
        case 0: return call(float{});
        case 1: return call(BFloat16{});
    }
    unsupported(op, "dtype", bf16);
}

}  // namespace
