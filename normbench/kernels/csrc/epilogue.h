// The epilogue of the norms: ReLU, then dropout, fused into the pass that writes y.
#pragma once
#include "norm.h"

namespace {

// A ReLU that can be off, without a branch in the loop: the bounds decide.
struct Relu {
    const bool on;
    const f32x16 floor;  // y = max(z, floor): 0, or -inf if off
    const f32x16 limit;  // dz = 0 where z <= limit: 0, or NaN (never true) if off

    explicit Relu(bool on) : on(on), floor(on ? 0 : -INFINITY), limit(on ? 0 : NAN) {}

    f32x16 operator()(f32x16 z) const { return max_keeping_nan(floor, z); }
    f32x16 backward(f32x16 z, f32x16 dy) const { return select(z <= limit, 0, dy); }
};

// dL/dz of one vector, z being the norm's output before the epilogue, with the mask of ReLU and dropout read from y.
template <class T>
inline f32x16 epilogue_backward(const Relu &relu, const T *dy, const T *y, float keep_scale) {
    const f32x16 d = load(dy);
    return relu.on ? select(load(y) <= 0, 0, d * keep_scale) : d;
}

// 1 / (1 - p), for a dropout of `drop` in 65,536 values.
inline float keep_scale_of(int32_t drop) { return 65536.0f / (65536 - drop); }

// Random bits, 16 x 32 a call: xoshiro128++ (Blackman & Vigna 2021) in 16 lanes, seeded by splitmix64.
struct Xoshiro128 {
    u32x16 state[4] = {};

    void seed(uint64_t seed) {
        for (auto &word : state)
            for (int lane = 0; lane < kLanes; lane++) {
                uint64_t mixed = seed += 0x9e3779b97f4a7c15u;
                mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
                mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
                word.set(lane, (uint32_t)((mixed ^ (mixed >> 31)) >> 32));
            }
    }

    static u32x16 rotate_left(u32x16 bits, int by) { return (bits << by) | (bits >> (32 - by)); }

    u32x16 next() {
        const u32x16 result = rotate_left(state[0] + state[3], 7) + state[0], shifted = state[1] << 9;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = rotate_left(state[3], 11);
        return result;
    }
};

// Dropout of one image, or of the block of channels from `first` on: zeroes a value with probability drop / 65,536 and
// multiplies the others by keep_scale. Called with the vectors in order. The backward pass applies the same mask to dy
// by starting anew from the same seed.
struct Dropout {
    Xoshiro128 random;
    u32x16 bits = {};
    const uint32_t drop;
    const float keep_scale;
    bool has_unused_half = false;

    Dropout(int32_t drop, uint64_t seed, int64_t image, int64_t first = 0)
        : drop((uint32_t)drop), keep_scale(keep_scale_of(drop)) {
        if (drop) random.seed(seed + (uint64_t)image * 0x632be59bd9b4e019u + (uint64_t)first * 0xd1342543de82ef95u);
    }

    f32x16 operator()(f32x16 values) {
        if (drop == 0) return values;
        bits = has_unused_half ? bits >> 16 : random.next();  // 16 of a lane's 32 bits serve one value
        has_unused_half = !has_unused_half;
        return select((bits & 0xffff) < drop, 0, values * keep_scale);
    }
};

}  // namespace
