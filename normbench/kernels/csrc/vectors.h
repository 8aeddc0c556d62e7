// Sixteen numbers at a time. A tensor is channels_last: an image is [pixels][channels], and a pixel's channels are
// 16 neighbouring numbers once or more. Arithmetic is in float32 whatever the activations are stored as.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef int32_t Flags __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef uint8_t Bytes __attribute__((vector_size(16)));

struct BFloat16 {
    uint16_t bits;
};

// One vector of a tensor, in float32. memcpy: no tensor need lie at a multiple of 64 bytes.
inline Floats load(const float *from) {
    Floats values;
    memcpy(&values, from, sizeof values);
    return values;
}
inline Floats load(const BFloat16 *from) {
    Halves halves;
    memcpy(&halves, from, sizeof halves);
#ifdef __AVX512F__  // of the other form GCC 12 makes five instructions
    return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)halves), 16);
#else
    return (Floats)(__builtin_convertvector(halves, Words) << 16);
#endif
}
// The larger of each two; NaN where b is, so that it stays to be seen.
inline Floats larger(Floats a, Floats b) {
#ifdef __AVX512F__
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return b < a ? a : b;
#endif
}
inline void store(float *to, Floats values) { memcpy(to, &values, sizeof values); }
inline void store(BFloat16 *to, Floats values) {  // to the nearest, ties to even
#ifdef __AVX512BF16__
    const auto halves = _mm512_cvtneps_pbh((__m512)values);
#else
    const Words bits = (Words)values;
    const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Words nan = (bits >> 16) | 0x40;  // rounding could carry a NaN into an infinity
    const Halves halves = __builtin_convertvector(values == values ? rounded : nan, Halves);
#endif
    memcpy(to, &halves, sizeof halves);
}

template <int K>
struct Constant {
    static constexpr int value = K;
};

}  // namespace
