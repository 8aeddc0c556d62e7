// What the convolutions share. The hardware's step is a dot product of pairs of bfloat16 in 16 lanes at once,
// sum += a[0] b[0] + a[1] b[1] in float32, where subnormal numbers count as zero. One side is 16 pairs, a "slot" of
// neighbouring memory, the other one pair for all lanes.
#pragma once
#include "chain.h"
#include "vectors.h"

// A layer with borders of zeros that keep the size. Images are channels_last, [pixels][channels]; the weights [outputs]
// [inputs][size][size] are float32, with these strides, and so are their gradients.
struct Conv {
    int64_t images, height, width, inputs, outputs, size;
    int64_t strides[4];

    int64_t pixels() const { return height * width; }
    int64_t weights() const { return outputs * inputs * size * size; }
    int64_t parts() const { return parts_of(images); }  // of the sums of a weight gradient
};

#ifdef __AVX512BF16__
#define UNROLLED _Pragma("GCC unroll 32")  // so that sums stay in registers

namespace {

inline const Conv &conv_of(const Work &work) { return *(const Conv *)work.layer; }

constexpr int kSlot = 2 * kLanes;
typedef uint16_t BF16;

alignas(64) const BF16 kZeros[kSlot] = {};
alignas(64) const float kNoBias[kSlot] = {};  // a way back has none

inline __m512bh load(const BF16 *slot) { return (__m512bh)_mm512_loadu_si512(slot); }

// A pair for all lanes. In assembly: from what is written in C++, GCC 12 reuses pairs through scalar registers, slowly.
inline __m512bh spread(const BF16 *pair) {
    __m512i bits;
    asm("vpbroadcastd %1, %0" : "=v"(bits) : "m"(*(const BF16(*)[2])pair));
    return (__m512bh)bits;
}
// sum + a . spread(pair), where a pair serves once.
inline __m512 add_spread(__m512 sum, __m512bh a, const BF16 *pair) {
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(a), "m"(*(const BF16(*)[2])pair));
    return sum;
}

inline BF16 rounded(float value) {
    const auto half = _mm_cvtneps_pbh(_mm_set_ss(value));
    BF16 bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

// Slot i of `to`, [channels][2]: pixels p and p + 1 of a row, p = first + step i; zeros beyond its ends.
template <int V>
inline void interleave(const BF16 *row, int64_t width, int64_t first, int64_t step, int64_t slots, BF16 *to) {
    alignas(64) static const uint16_t kOne[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i one = _mm512_load_si512(kOne);
    const __m512i low = _mm512_mask_add_epi16(one, 0xaaaaaaaa, one, _mm512_set1_epi16(16));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    constexpr int C = V * kLanes;
    const __mmask32 all = V == 2 ? 0xffffffffu : 0xffffu;
    for (int64_t i = 0; i < slots; i++) {
        const int64_t p = first + step * i;
        BF16 *slot = to + i * 2 * C;
        const bool inner = p >= 0 && p + 1 < width;
        if (V == 1 && inner) {
            _mm512_storeu_si512(slot, _mm512_permutexvar_epi16(one, _mm512_loadu_si512(row + p * C)));
            continue;
        }
        const __m512i a = _mm512_maskz_loadu_epi16(p >= 0 && p < width ? all : 0, row + p * C);
        const __m512i b = _mm512_maskz_loadu_epi16(p + 1 < width ? all : 0, row + (p + 1) * C);
        _mm512_storeu_si512(slot, _mm512_permutex2var_epi16(a, low, b));
        if (V == 2) _mm512_storeu_si512(slot + kSlot, _mm512_permutex2var_epi16(a, high, b));
    }
}

// Adds what each of U x 16 channels is over all pixels to `sums`. slots: [count][channels][2].
template <int U>
inline void add_outputs(const BF16 *slots, int64_t count, float *sums) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int u = 0; u < U; u++) {
        __m512 even = _mm512_loadu_ps(sums + u * kLanes), odd = _mm512_setzero_ps();
        const BF16 *d = slots + u * kSlot;
        int64_t i = 0;
        for (; i + 1 < count; i += 2) {
            even = _mm512_dpbf16_ps(even, load(d + i * U * kSlot), ones);
            odd = _mm512_dpbf16_ps(odd, load(d + (i + 1) * U * kSlot), ones);
        }
        if (i < count) even = _mm512_dpbf16_ps(even, load(d + i * U * kSlot), ones);
        _mm512_storeu_ps(sums + u * kLanes, _mm512_add_ps(even, odd));
    }
}

// The sum over parts, which lie `step` numbers apart.
inline __m512 total(const float *sums, int64_t parts, int64_t step) {
    __m512 sum = _mm512_loadu_ps(sums);
    for (int64_t part = 1; part < parts; part++) sum = _mm512_add_ps(sum, _mm512_loadu_ps(sums + part * step));
    return sum;
}

inline void scatter(float *to, int64_t step, __m512 values) {
    alignas(64) float each[kLanes];
    _mm512_store_ps(each, values);
    for (int lane = 0; lane < kLanes; lane++) to[lane * step] = each[lane];
}

}  // namespace
#endif
