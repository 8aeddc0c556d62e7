// Vectors of 16 lanes, in portable GCC/Clang vector types.
//
// Activations are channels_last: an image is [pixels][channels], and the channels of a pixel are one or more whole
// vectors. They are stored as float32 or bfloat16. Arithmetic is in float32.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int kLanes = 16;
typedef float f32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));  // of comparisons too: -1 where true, 0 where false
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));

struct BFloat16 {
    uint16_t bits;
};

// Unaligned, hence memcpy.
inline f32x16 load(const float *from) {
    f32x16 values;
    memcpy(&values, from, sizeof values);
    return values;
}
inline f32x16 load(const BFloat16 *from) {
    u16x16 bits;
    memcpy(&bits, from, sizeof bits);
#ifdef __AVX512F__  // two instructions; GCC 12 makes five of the portable form
    return (f32x16)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)bits), 16);
#else
    return (f32x16)(__builtin_convertvector(bits, u32x16) << 16);
#endif
}

inline void store(float *to, f32x16 values) { memcpy(to, &values, sizeof values); }
// Rounds to the nearest bfloat16, ties to even.
inline void store(BFloat16 *to, f32x16 values) {
#ifdef __AVX512BF16__
    const auto bits = _mm512_cvtneps_pbh((__m512)values);
#else
    const u32x16 wide = (u32x16)values;
    const u32x16 rounded = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
    const u32x16 quiet_nan = (wide >> 16) | 0x40;  // rounding could carry a NaN into an infinity
    const u16x16 bits = __builtin_convertvector(values == values ? rounded : quiet_nan, u16x16);
#endif
    memcpy(to, &bits, sizeof bits);
}

// max(a, b) lane by lane; NaN where b is NaN.
inline f32x16 max_keeping_nan(f32x16 a, f32x16 b) {
#ifdef __AVX512F__
    return (f32x16)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return b < a ? a : b;
#endif
}

// The sum of the lanes, from the first to the last.
inline float sum_lanes(f32x16 values) {
    float sum = 0;
    for (int lane = 0; lane < kLanes; lane++) sum += values[lane];
    return sum;
}

}  // namespace
