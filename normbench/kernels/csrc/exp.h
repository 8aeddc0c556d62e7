// exp(x) - 1, sigmoid and tanh of 16 lanes, to a few units in the last place.
#pragma once
#include "vectors.h"

namespace {

// e^x - 1, accurate near 0 too. x is clamped to [-87, 88], where e^x is a normal float32.
inline f32x16 expm1(f32x16 x) {
    x = select(x < -87, -87, x);  // NaN stays NaN
    x = select(x > 88, 88, x);
    // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer, whose bits are then the lowest ones.
    const f32x16 shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    const f32x16 r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // Cody & Waite 1980: ln 2 in two parts
    const f32x16 power = (f32x16)(((u32x16)shifted + (127 - 0x4b400000)) << 23);  // 2^n
    f32x16 series = r * (1.0f / 5040) + 1.0f / 720;  // Taylor; the next term is below 2e-8 of e^r - 1
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * (r * r) + r;
    return power * series + (power - 1);
}

// 1 / (1 + e^-x)
inline f32x16 sigmoid(f32x16 x) { return 1 / (2 + expm1(-x)); }

// With e = e^(2|x|) - 1: sign(x) e / (e + 2)
inline f32x16 tanh(f32x16 x) {
    const u32x16 sign = (u32x16)x & 0x80000000u;
    const f32x16 e = expm1(2 * (f32x16)((u32x16)x ^ sign));
    return (f32x16)((u32x16)(e / (e + 2)) | sign);
}

}  // namespace
