// What the ReLU and the dropout behind a norm let through.
#pragma once
#include "layer.h"

namespace {

// A ReLU, or none: without a branch, which each vector would take.
struct Relu {
    const bool is_on;
    const Floats floor, limit;  // below any number and beside any, if there is none

    explicit Relu(bool on)
        : is_on(on), floor(Floats{} + (on ? 0 : -INFINITY)), limit(Floats{} + (on ? 0 : NAN)) {}

    Floats operator()(Floats z) const { return larger(floor, z); }
    Floats through(Floats z, Floats d) const { return z <= limit ? Floats{} : d; }  // the gradient of z from that of y
};

// The gradient at the norm's own output: none came from where y was cut off or dropped.
template <class T>
inline Floats gradient(const Relu &relu, const T *d_y, const T *y, float kept_scale) {
    const Floats d = load(d_y);
    return relu.is_on ? (load(y) <= 0 ? Floats{} : d * kept_scale) : d;
}

// 512 random bits a call: xoshiro128++ (Blackman & Vigna 2021) in 16 lanes, seeded by splitmix64.
struct Random {
    Words state[4];

    explicit Random(uint64_t seed) {
        for (auto &words : state)
            for (int lane = 0; lane < kLanes; lane++) {
                uint64_t mixed = seed += 0x9e3779b97f4a7c15u;
                mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
                mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
                words[lane] = (uint32_t)((mixed ^ (mixed >> 31)) >> 32);
            }
    }

    static Words rotated(Words words, int by) { return (words << by) | (words >> (32 - by)); }

    Words next() {
        const Words result = rotated(state[0] + state[3], 7) + state[0], shifted = state[1] << 9;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = rotated(state[3], 11);
        return result;
    }
};

// Dropout of one image: called with its vectors in their order, as values forward and as gradients backward.
struct Mask {
    Random random;
    Words words = {};
    const uint32_t drop;
    const float kept_scale;
    bool second_half = false;

    Mask(const Layer &layer, uint64_t seed, int64_t image)
        : random(seed + (uint64_t)image * 0x632be59bd9b4e019u), drop((uint32_t)layer.drop),
          kept_scale(layer.kept_scale()) {}

    Floats operator()(Floats values) {
        if (drop == 0) return values;
        words = second_half ? words >> 16 : random.next();  // 16 of a word's 32 bits decide
        second_half = !second_half;
        return (words & 0xffff) < drop ? Floats{} : values * kept_scale;
    }
};

}  // namespace
