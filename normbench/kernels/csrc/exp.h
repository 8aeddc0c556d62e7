// Functions made of exponentials, to a few units in the last place.
#pragma once
#include "vectors.h"

namespace {

// e^x - 1, which near 0 keeps the digits that e^x loses; x is held to [-87, 88], where e^x is a normal number.
inline Floats expm1(Floats x) {
    const Floats lowest = Floats{} - 87, highest = Floats{} + 88;
    x = x < lowest ? lowest : x;  // a NaN stays one
    x = x > highest ? highest : x;
    // x = n ln 2 + r, |r| <= ln 2 / 2. Added to 1.5 * 2^23, a number is rounded to an integer, seen in its last bits.
    const Floats shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // Cody & Waite 1980: ln 2 in two parts
    const Floats power = (Floats)(((Words)shifted + (127 - 0x4b400000)) << 23);  // 2^n
    Floats series = r * (1.0f / 5040) + 1.0f / 720;  // Taylor: the next term is below 2e-8 of e^r - 1
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * (r * r) + r;
    return power * series + (power - 1);
}

inline Floats sigmoid(Floats x) { return 1 / (2 + expm1(-x)); }

inline Floats tanh(Floats x) {
    const Words sign = (Words)x & 0x80000000u;
    const Floats e = expm1(2 * (Floats)((Words)x ^ sign));  // of |x|
    return (Floats)((Words)(e / (e + 2)) | sign);
}

}  // namespace
