// Vectors of 16 lanes, made of the processor's own vectors in GCC/Clang vector types.
//
// Activations are channels_last: an image is [pixels][channels], and the channels of a pixel are one or more whole
// vectors. They are stored as float32 or bfloat16. Arithmetic is in float32.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace {

#define INLINE __attribute__((always_inline)) inline

constexpr int kLanes = 16;

#if defined __AVX512F__
constexpr int kParts = 1;
#elif defined __AVX2__
constexpr int kParts = 2;
#else
constexpr int kParts = 4;  // SSE, NEON
#endif
constexpr int kPartLanes = kLanes / kParts;

// 16 lanes of a 32-bit type, as kParts vectors of the processor. A vector type of GCC with all 16 lanes would do, but on
// a processor with shorter vectors GCC 12 keeps it in memory, and compares lane by lane. A scalar stands for 16 equal
// lanes. A comparison gives -1 where it is true, and 0 elsewhere.
template <class T>
struct Lanes {
    typedef T Part __attribute__((vector_size(kPartLanes * sizeof(T))));
    typedef Lanes<int32_t> Mask;
    Part parts[kParts];

    Lanes() = default;
    INLINE Lanes(T value) {
        for (Part &part : parts) part = Part{} + value;
    }
    template <class U>
    INLINE explicit Lanes(Lanes<U> other) {  // the same bits
        for (int i = 0; i < kParts; i++) parts[i] = (Part)other.parts[i];
    }
    INLINE T operator[](int lane) const { return parts[lane / kPartLanes][lane % kPartLanes]; }
    INLINE void set(int lane, T value) { parts[lane / kPartLanes][lane % kPartLanes] = value; }

#define OPERATOR(op)                                                           \
    INLINE friend Lanes operator op(Lanes a, Lanes b) {                               \
        for (int i = 0; i < kParts; i++) a.parts[i] = a.parts[i] op b.parts[i]; \
        return a;                                                              \
    }                                                                          \
    INLINE Lanes &operator op##=(Lanes b) { return *this = *this op b; }
    OPERATOR(+)
    OPERATOR(-)
    OPERATOR(*)
    OPERATOR(/)
    OPERATOR(&)
    OPERATOR(|)
    OPERATOR(^)
#undef OPERATOR
#define SHIFT(op)                                                      \
    INLINE friend Lanes operator op(Lanes a, int by) {                        \
        for (Part &part : a.parts) part = part op by;                  \
        return a;                                                      \
    }
    SHIFT(<<)
    SHIFT(>>)
#undef SHIFT
#define COMPARISON(op)                                                                       \
    INLINE friend Mask operator op(Lanes a, Lanes b) {                                              \
        Mask mask;                                                                           \
        for (int i = 0; i < kParts; i++) mask.parts[i] = (typename Mask::Part)(a.parts[i] op b.parts[i]); \
        return mask;                                                                         \
    }
    COMPARISON(<)
    COMPARISON(<=)
    COMPARISON(>)
    COMPARISON(>=)
    COMPARISON(==)
    COMPARISON(!=)
#undef COMPARISON
    INLINE friend Lanes operator-(Lanes a) {
        for (Part &part : a.parts) part = -part;
        return a;
    }
    // a where the mask is true, b elsewhere.
    INLINE friend Lanes select(Mask mask, Lanes a, Lanes b) {
        for (int i = 0; i < kParts; i++) a.parts[i] = mask.parts[i] ? a.parts[i] : b.parts[i];
        return a;
    }
};

typedef Lanes<float> f32x16;
typedef Lanes<uint32_t> u32x16;
typedef Lanes<int32_t> i32x16;
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));

struct BFloat16 {
    uint16_t bits;
};

// A part from memory that need not be aligned, and back.
template <class Part>
INLINE Part load_part(const void *from) {
    Part part;
    memcpy(&part, from, sizeof part);
    return part;
}
template <class Part>
INLINE void store_part(void *to, Part part) {
    memcpy(to, &part, sizeof part);
}

INLINE f32x16 load(const float *from) {
    f32x16 values;
    for (int i = 0; i < kParts; i++) values.parts[i] = load_part<f32x16::Part>(from + i * kPartLanes);
    return values;
}
INLINE void store(float *to, f32x16 values) {
    for (int i = 0; i < kParts; i++) store_part(to + i * kPartLanes, values.parts[i]);
}

// Lanes below 65,536 as 16 bits each.
#if !defined __AVX512F__ && defined __AVX2__
INLINE __m256i halves_of(u32x16 values) {
    const __m256i packed = _mm256_packus_epi32((__m256i)values.parts[0], (__m256i)values.parts[1]);
    return _mm256_permute4x64_epi64(packed, 0xd8);  // the instruction packs each half of the vector by itself
}
#elif !defined __AVX512F__
template <class Part>
INLINE u16x8 even_halves(Part a, Part b) {
    return __builtin_shufflevector((u16x8)a, (u16x8)b, 0, 2, 4, 6, 8, 10, 12, 14);
}
#endif

#if defined __AVX512F__
// 16 words as the upper halves of 32-bit lanes, in one instruction instead of a widening and a shift.
INLINE __m512i upper_halves(__m256i words) {
    alignas(64) static const uint16_t kIndex[32] = {0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,
                                                    0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
    return _mm512_maskz_permutexvar_epi16(0xaaaaaaaa, _mm512_load_si512(kIndex), _mm512_castsi256_si512(words));
}
#endif

// A bfloat16 is the upper half of a float32.
INLINE f32x16 load(const BFloat16 *from) {
    f32x16 values;
#if defined __AVX512F__
    values.parts[0] = (f32x16::Part)upper_halves(load_part<__m256i>(from));
#elif defined __AVX2__
    for (int i = 0; i < kParts; i++)
        values.parts[i] = (f32x16::Part)_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_part<__m128i>(from + 8 * i)), 16);
#else
    for (int i = 0; i < kParts; i += 2) {
        const u16x8 bits = load_part<u16x8>(from + i * kPartLanes), zeros = {};
        values.parts[i] = (f32x16::Part)__builtin_shufflevector(zeros, bits, 0, 8, 1, 9, 2, 10, 3, 11);
        values.parts[i + 1] = (f32x16::Part)__builtin_shufflevector(zeros, bits, 4, 12, 5, 13, 6, 14, 7, 15);
    }
#endif
    return values;
}
// Rounds to the nearest bfloat16, ties to even.
INLINE void store(BFloat16 *to, f32x16 values) {
#ifdef __AVX512BF16__
    store_part(to, _mm512_cvtneps_pbh((__m512)values.parts[0]));
#else
    const u32x16 bits = (u32x16)values;
    const u32x16 rounded = bits + (0x7fff + ((bits >> 16) & 1));
    const u32x16 quiet_nan = bits | 0x400000;  // rounding could carry a NaN into an infinity
    const u32x16 halves = select(values == values, rounded, quiet_nan) >> 16;
#if defined __AVX512F__
    store_part(to, _mm512_cvtepi32_epi16((__m512i)halves.parts[0]));
#elif defined __AVX2__
    store_part(to, halves_of(halves));
#else
    for (int i = 0; i < kParts; i += 2)
        store_part(to + i * kPartLanes, even_halves(halves.parts[i], halves.parts[i + 1]));
#endif
#endif
}

// Lanes of 0 to 255 as bytes.
INLINE i32x16 load_bytes(const uint8_t *from) {
    i32x16 values;
#if defined __AVX512F__
    values.parts[0] = (i32x16::Part)_mm512_cvtepu8_epi32(load_part<__m128i>(from));
#elif defined __AVX2__
    for (int i = 0; i < kParts; i++)
        values.parts[i] = (i32x16::Part)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + 8 * i)));
#else
    const u8x16 bytes = load_part<u8x16>(from), none = {};
    const u16x8 zeros = {};
    const u16x8 low = (u16x8)__builtin_shufflevector(bytes, none, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const u16x8 high =
        (u16x8)__builtin_shufflevector(bytes, none, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    values.parts[0] = (i32x16::Part)__builtin_shufflevector(low, zeros, 0, 8, 1, 9, 2, 10, 3, 11);
    values.parts[1] = (i32x16::Part)__builtin_shufflevector(low, zeros, 4, 12, 5, 13, 6, 14, 7, 15);
    values.parts[2] = (i32x16::Part)__builtin_shufflevector(high, zeros, 0, 8, 1, 9, 2, 10, 3, 11);
    values.parts[3] = (i32x16::Part)__builtin_shufflevector(high, zeros, 4, 12, 5, 13, 6, 14, 7, 15);
#endif
    return values;
}
INLINE void store_bytes(uint8_t *to, i32x16 values) {
#if defined __AVX512F__
    store_part(to, _mm512_cvtepi32_epi8((__m512i)values.parts[0]));
#elif defined __AVX2__
    const __m256i halves = halves_of((u32x16)values);
    store_part(to, _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
#else
    const u8x16 low = (u8x16)even_halves(values.parts[0], values.parts[1]);
    const u8x16 high = (u8x16)even_halves(values.parts[2], values.parts[3]);
    store_part(to, __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
#endif
}

// max(a, b) lane by lane; NaN where b is NaN.
INLINE f32x16 max_keeping_nan(f32x16 a, f32x16 b) { return select(b < a, a, b); }

// The sum of the lanes, from the first to the last.
INLINE float sum_lanes(f32x16 values) {
    float sum = 0;
    for (int lane = 0; lane < kLanes; lane++) sum += values[lane];
    return sum;
}

}  // namespace
