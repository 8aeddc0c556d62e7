// What the convolutions share: the descriptor, bfloat16 dot products, packing.
//
// The instruction is a dot product of VNNI pairs (vdpbf16ps): in each of 16 lanes, sum += a[0] b[0] + a[1] b[1], with
// bfloat16 factors and a float32 sum; subnormal numbers count as zero. One factor is a vector of 16 VNNI pairs. The
// other is one pair, broadcast to all lanes.
#pragma once
#include "dispatch.h"
#include "graph.h"
#include "vectors.h"

// A convolution with stride 1 and zero padding that keeps height and width. Activations are channels_last. The weight
// is [out_channels][in_channels][kernel_size][kernel_size] in float32, with these strides; so is its gradient.
struct ConvDesc {
    int64_t num_images, height, width, in_channels, out_channels, kernel_size;
    int64_t strides[4];

    int64_t pixels() const { return height * width; }
    int64_t weight_count() const { return out_channels * in_channels * kernel_size * kernel_size; }
    int64_t gradient_count() const { return weight_count() + out_channels; }  // of weight and bias together
};

#ifdef __AVX512BF16__
#define UNROLLED _Pragma("GCC unroll 32")  // so that sums stay in registers

namespace {

inline const ConvDesc &conv_desc(const OpArgs &args) { return *(const ConvDesc *)args.desc; }

typedef uint16_t BF16;
constexpr int kPairs = 2 * kLanes;  // the bfloat16 numbers in a vector of VNNI pairs

alignas(64) const BF16 kZeros[kPairs] = {};
alignas(64) const float kNoBias[kPairs] = {};

inline __m512bh load_pairs(const BF16 *pairs) { return (__m512bh)_mm512_loadu_si512(pairs); }

// In assembly: from the intrinsic, GCC 12 moves pairs that it uses again through scalar registers, which is slow.
inline __m512bh broadcast_pair(const BF16 *pair) {
    __m512i bits;
    asm("vpbroadcastd %1, %0" : "=v"(bits) : "m"(*(const BF16(*)[2])pair));
    return (__m512bh)bits;
}
// sum + a . broadcast_pair(pair) in one instruction, for a pair that is used once.
inline __m512 dot_broadcast(__m512 sum, __m512bh a, const BF16 *pair) {
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(a), "m"(*(const BF16(*)[2])pair));
    return sum;
}

inline BF16 to_bf16(float value) {
    const auto half = _mm_cvtneps_pbh(_mm_set_ss(value));
    BF16 bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

// Packs pixels p and p + 1 of a row as VNNI pairs of each channel, for p = first + i step: to[i] is [V x 16
// channels][2]. Pixels outside the row are zeros.
template <int V>
inline void pack_pixel_pairs(const BF16 *row, int64_t width, int64_t first, int64_t step, int64_t count, BF16 *to) {
    alignas(64) static const uint16_t kInterleave[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                         8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    // Indices into one vector (two pixels of 16 channels), and into two (pixels of 32 channels: the lower half, the
    // upper).
    const __m512i interleave = _mm512_load_si512(kInterleave);
    const __m512i low = _mm512_mask_add_epi16(interleave, 0xaaaaaaaa, interleave, _mm512_set1_epi16(16));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    constexpr int C = V * kLanes;
    const __mmask32 all = V == 2 ? 0xffffffffu : 0xffffu;
    for (int64_t i = 0; i < count; i++) {
        const int64_t p = first + step * i;
        BF16 *pairs = to + i * 2 * C;
        const bool both_inside = p >= 0 && p + 1 < width;
        if (V == 1 && both_inside) {
            _mm512_storeu_si512(pairs, _mm512_permutexvar_epi16(interleave, _mm512_loadu_si512(row + p * C)));
            continue;
        }
        const __m512i a = _mm512_maskz_loadu_epi16(p >= 0 && p < width ? all : 0, row + p * C);
        const __m512i b = _mm512_maskz_loadu_epi16(p + 1 < width ? all : 0, row + (p + 1) * C);
        _mm512_storeu_si512(pairs, _mm512_permutex2var_epi16(a, low, b));
        if (V == 2) _mm512_storeu_si512(pairs + kPairs, _mm512_permutex2var_epi16(a, high, b));
    }
}

// Adds the bias gradient of an image, the sum of dy over its pixels, to sums [U x 16 channels]. dy:
// [count][channels][2].
template <int U>
inline void add_bias_gradient(const BF16 *dy, int64_t count, float *sums) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int u = 0; u < U; u++) {
        __m512 even = _mm512_loadu_ps(sums + u * kLanes), odd = _mm512_setzero_ps();
        const BF16 *d = dy + u * kPairs;
        int64_t i = 0;
        for (; i + 1 < count; i += 2) {
            even = _mm512_dpbf16_ps(even, load_pairs(d + i * U * kPairs), ones);
            odd = _mm512_dpbf16_ps(odd, load_pairs(d + (i + 1) * U * kPairs), ones);
        }
        if (i < count) even = _mm512_dpbf16_ps(even, load_pairs(d + i * U * kPairs), ones);
        _mm512_storeu_ps(sums + u * kLanes, _mm512_add_ps(even, odd));
    }
}

// The sum over the chunks of the batch, which are `stride` numbers apart.
inline __m512 sum_chunks(const ConvDesc &desc, const float *of_chunks, int64_t stride) {
    __m512 sum = _mm512_loadu_ps(of_chunks);
    for (int64_t chunk = 1; chunk < num_chunks(desc.num_images); chunk++)
        sum = _mm512_add_ps(sum, _mm512_loadu_ps(of_chunks + chunk * stride));
    return sum;
}

inline void store_strided(float *to, int64_t stride, __m512 values) {
    alignas(64) float lanes[kLanes];
    _mm512_store_ps(lanes, values);
    for (int lane = 0; lane < kLanes; lane++) to[lane * stride] = lanes[lane];
}

}  // namespace
#endif
