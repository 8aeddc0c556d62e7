// Convolutions by vector instructions: their two micro-kernels, and two ways to multiply and add.
//
//     Fma  float32 numbers; any processor
//     Dot  bfloat16 numbers in pairs: sum += a[0] b[0] + a[1] b[1] in each of 16 lanes (vdpbf16ps), where subnormal
//          numbers count as zero; AVX-512 BF16
//
// A lane is an output channel. One factor is a vector: of a filter in the forward micro-kernel, of dY in that of the
// weight gradient. The other is a number or pair of a window, broadcast to all lanes.
#pragma once
#include "conv.h"

namespace {

#if defined(__AVX512F__)
constexpr int kFloats = 16, kRegisters = 32;  // of a vector register, and of these
#elif defined(__AVX__)
constexpr int kFloats = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kFloats = 4, kRegisters = 32;
#else
constexpr int kFloats = 4, kRegisters = 16;
#endif

struct FmaVectors {
    typedef float Number;
    typedef float Sum __attribute__((vector_size(4 * kFloats)));
    typedef Sum Factor;
    static constexpr int kPair = 1, kStep = 1;
    static constexpr int kVectors = kLanes / kFloats;  // of 16 output channels
    static constexpr bool kOverlap = kFloats == 16;
    static constexpr int kMaxBlocks = kRegisters / 16 / kVectors < 1 ? 1 : kRegisters / 16 / kVectors;

    static Factor load_factor(const float *numbers) {
        Factor factor;
        memcpy(&factor, numbers, sizeof factor);
        return factor;
    }
    static Factor broadcast(const float *number) { return *number - Factor{}; }
    static void multiply_add(Sum &sum, Factor a, Factor b) { sum += a * b; }
    static void multiply_add(Sum &sum, Factor a, const float *number) { sum += a * broadcast(number); }
    static void add(Sum &sum, const float *numbers) { sum += load_factor(numbers); }
    static void pack_numbers(const float (&numbers)[1][kLanes], bool rounded, float *to) {
        rounded ? convert<true>(numbers[0], kLanes, to) : convert<false>(numbers[0], kLanes, to);
    }

    // The rows of X and dY as the weight gradient's micro-kernel reads them, and how far it goes in a step.
    struct Packing {
        int64_t x_row, dy_row, x_step, dy_step, steps;
        explicit Packing(const Geometry &geometry)
            : x_row(geometry.padded_row()), dy_row(geometry.out_width * geometry.out_channels),
              x_step(geometry.stride * geometry.in_channels), dy_step(geometry.out_channels),
              steps(geometry.out_width) {}
        int64_t scratch() const { return 0; }
    };
    template <bool kRounded, class X>
    static Rows<float> pack_x(const Geometry &geometry, const X *x, int64_t first, int64_t end, float *to, float *) {
        return pad_rows<kRounded>(geometry, x, first, end, to);
    }
    template <class Y>
    static Rows<float> pack_dy(const Geometry &geometry, const Y *dy, int64_t first, int64_t end, float *to) {
        const int64_t row = geometry.out_width * geometry.out_channels;
        if constexpr (std::is_same<Y, float>::value) return {dy, 0, row};
        convert<false>(dy + first * row, (end - first) * row, to);
        return {to, first, row};
    }
};

#ifdef __AVX512BF16__
struct DotVectors {
    typedef BFloat16 Number;
    typedef __m512 Sum;
    typedef __m512bh Factor;
    static constexpr int kPair = 2, kStep = 2, kVectors = 1, kMaxBlocks = 2;
    static constexpr bool kOverlap = true;

    static Factor load_factor(const BFloat16 *pairs) { return (__m512bh)_mm512_loadu_si512(pairs); }
    // In assembly: from the intrinsics, GCC 12 moves pairs through scalar registers, which is slow.
    static Factor broadcast(const BFloat16 *pair) {
        __m512i pairs;
        asm("vpbroadcastd %1, %0" : "=v"(pairs) : "m"(*(const BFloat16(*)[2])pair));
        return (__m512bh)pairs;
    }
    static void multiply_add(Sum &sum, Factor a, Factor b) { sum = _mm512_dpbf16_ps(sum, a, b); }
    static void multiply_add(Sum &sum, Factor a, const BFloat16 *pair) {
        Sum next = sum;
        asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(next) : "v"(a), "m"(*(const BFloat16(*)[2])pair));
        sum = next;
    }
    static void add(Sum &sum, const BFloat16 *pairs) {
        sum = _mm512_dpbf16_ps(sum, load_factor(pairs), (__m512bh)_mm512_set1_epi16(0x3f80));
    }
    static void pack_numbers(const float (&numbers)[2][kLanes], bool, BFloat16 *to) {
        BFloat16 pairs[2][kLanes];
        for (int i = 0; i < 2; i++) convert<true>(numbers[i], kLanes, pairs[i]);
        interleave(pairs[0], pairs[1], kLanes, to);
    }

    // A step is two pixels p and p + 1 of a row of dY, and a window of pairs of X: the numbers that the two see. Pairs
    // of neighbouring steps overlap only where the filter is wider than a step.
    struct Packing {
        int64_t x_row, dy_row, x_step, dy_step, steps;
        int64_t run, source_step;  // numbers of X that a step packs; and from step to step in the padded row
        int64_t padded;            // a padded row, with what vectors read behind it

        explicit Packing(const Geometry &geometry) {
            const int64_t window = geometry.window(), two = 2 * geometry.stride * geometry.in_channels;
            steps = (geometry.out_width + 1) / 2;
            run = two < window ? two : window;
            source_step = two;
            x_step = 2 * run;
            x_row = steps * x_step + 2 * round_up(window, kLanes) + 2 * kLanes;
            dy_step = 2 * geometry.out_channels;
            dy_row = steps * dy_step;
            padded = geometry.padded_row() + two + round_up(window, kLanes) + 2 * kLanes;
        }
        int64_t scratch() const { return padded; }
    };
    // to[i] = (a[i], b[i]); in blocks of 16.
    static void interleave(const BFloat16 *a, const BFloat16 *b, int64_t count, BFloat16 *to) {
        alignas(64) static const uint16_t kIndex[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                        8,  40, 9,  41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
        const __m512i index = _mm512_load_si512(kIndex);
        for (int64_t i = 0; i < count; i += kLanes) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)(a + i));
            const __m256i high = _mm256_loadu_si256((const __m256i *)(b + i));
            _mm512_storeu_si512(to + 2 * i, _mm512_permutex2var_epi16(_mm512_castsi256_si512(low), index,
                                                                      _mm512_castsi256_si512(high)));
        }
    }
    template <bool kRounded, class X>
    static Rows<BFloat16> pack_x(const Geometry &geometry, const X *x, int64_t first, int64_t end, BFloat16 *to,
                                 BFloat16 *padded) {
        const Packing packing(geometry);
        const int64_t shift = geometry.stride * geometry.in_channels, row = geometry.padded_row();
        memset(padded + row, 0, (packing.padded - row) * sizeof *padded);
        for (int64_t r = first; r < end; r++, to += packing.x_row) {
            pad_row<kRounded>(geometry, x + r * geometry.in_width * geometry.in_channels, padded);
            if (packing.run == packing.source_step) {
                interleave(padded, padded + shift, packing.steps * packing.run + geometry.window() - packing.run, to);
                continue;
            }
            for (int64_t i = 0; i < packing.steps; i++)
                interleave(padded + i * packing.source_step, padded + i * packing.source_step + shift, packing.run,
                           to + i * packing.x_step);
        }
        return {to - (end - first) * packing.x_row, first, packing.x_row};
    }
    static Rows<BFloat16> pack_dy(const Geometry &geometry, const BFloat16 *dy, int64_t first, int64_t end,
                                  BFloat16 *to) {
        const int64_t channels = geometry.out_channels, row = Packing(geometry).dy_row;
        for (int64_t r = first; r < end; r++) {
            const BFloat16 *from = dy + r * geometry.out_width * channels;
            BFloat16 *pairs = to + (r - first) * row;
            for (int64_t w = 0; w + 1 < geometry.out_width; w += 2, from += 2 * channels, pairs += 2 * channels)
                interleave(from, from + channels, channels, pairs);
            if (geometry.out_width % 2)
                for (int64_t c = 0; c < channels; c++) pairs[2 * c] = from[c], pairs[2 * c + 1] = BFloat16{0};
        }
        return {to, first, row};
    }
};
#endif

// Forward micro-kernel: T pixels of a row, B blocks of 16 output channels. x: the first window's first row. A number of X
// is broadcast once for the R windows next to each other that it is in, at stride 1, with R parts of a window that are a
// pixel each; or once for each window, with R = 1. P: the numbers of a part, at stride 1, where the compiler may know them;
// else 0.
template <class Kind, int B, int T, int R, int P, class Y>
inline void forward_tile(const Geometry &geometry, const PackedWeights<Kind> &packed, const typename Kind::Number *x,
                         int64_t x_row, int64_t num_rows, const typename Kind::Number *weights, const float *bias,
                         Y *y) {
    constexpr int V = Kind::kVectors, N = B * V, kFloatsOfSum = kLanes / V, kNumbers = kFloatsOfSum * Kind::kPair;
    typename Kind::Sum sums[T][N];
    UNROLLED for (int n = 0; n < N; n++) {
        typename Kind::Sum of_channels;
        memcpy(&of_channels, bias + n * kFloatsOfSum, sizeof of_channels);
        UNROLLED for (int t = 0; t < T; t++) sums[t][n] = of_channels;
    }
    const int64_t part = P ? P : geometry.window() / R;
    const int64_t step = P || R > 1 ? part : geometry.stride * geometry.in_channels;
    for (int64_t i = 0; i < num_rows; i++, x += x_row, weights += geometry.spacing * packed.row) {
        const typename Kind::Number *filters = weights;
        for (int64_t c = 0; c < part; c += Kind::kPair, filters += kLanes * Kind::kPair) {
            typename Kind::Factor factors[R][N];
            UNROLLED for (int r = 0; r < R; r++)
                UNROLLED for (int b = 0; b < B; b++)
                    UNROLLED for (int v = 0; v < V; v++)
                        factors[r][b * V + v] =
                            Kind::load_factor(filters + r * part * kLanes + b * packed.block + v * kNumbers);
            UNROLLED for (int j = 0; j < T + R - 1; j++) {
                if (R * N == 1) {
                    Kind::multiply_add(sums[j][0], factors[0][0], x + c + j * step);
                    continue;
                }
                const typename Kind::Factor number = Kind::broadcast(x + c + j * step);
                UNROLLED for (int r = 0; r < R; r++)
                    if (j - r >= 0 && j - r < T)
                        UNROLLED for (int n = 0; n < N; n++)
                            Kind::multiply_add(sums[j - r][n], number, factors[r][n]);
            }
        }
    }
    UNROLLED for (int t = 0; t < T; t++)
        UNROLLED for (int b = 0; b < B; b++) {
            f32x16 outputs;
            memcpy(&outputs, sums[t] + b * V, sizeof outputs);
            store(y + t * geometry.out_channels + b * kLanes, outputs);
        }
}

// Tiles as wide as the registers have room for sums, and narrow ones where the wide do not divide a row. The last tile
// may overlap its neighbour: it computes the same numbers again.
template <class Kind, int B, int R, int P, class Y>
void forward_block(const Geometry &geometry, const Rows<typename Kind::Number> &rows, int64_t begin, int64_t end,
                   const typename Kind::Number *weights, const float *bias, Y *y) {
    constexpr int N = B * Kind::kVectors;
    constexpr int kWide = N < 4 ? (kRegisters == 16 ? 6 : 8) : (kRegisters == 16 ? 3 : 6), kNarrow = kWide > 3 ? 4 : 2;
    const PackedWeights<Kind> packed(geometry);
    const int64_t step = geometry.stride * geometry.in_channels, width = geometry.out_width;
    for (int64_t h = begin; h < end; h++) {
        const Geometry::Meeting meeting = geometry.meeting(h);
        const int64_t num_rows = (meeting.end - meeting.ky + geometry.spacing - 1) / geometry.spacing;
        const auto *x = rows.at(meeting.row);
        const auto *filters = weights + meeting.ky * packed.row;
        Y *to = y + h * width * geometry.out_channels;
        const auto tile = [&](auto size, int64_t w) {
            forward_tile<Kind, B, size.value, R, P>(geometry, packed, x + w * step, rows.stride, num_rows, filters, bias,
                                                 to + w * geometry.out_channels);
        };
        for (int64_t w = 0; w < width;) {
            const int64_t left = width - w;
            if (left % kWide == 0) {
                tile(Constant<kWide>{}, w);
                w += kWide;
            } else if (width < kNarrow) {
                tile(Constant<1>{}, w);
                w += 1;
            } else {
                tile(Constant<kNarrow>{}, left < kNarrow ? width - kNarrow : w);
                w += kNarrow;
            }
        }
    }
}

template <class Kind, class Y>
void vector_forward(const Geometry &geometry, const Rows<typename Kind::Number> &rows, int64_t begin, int64_t end,
                    const typename Kind::Number *weights, const float *bias, Y *y) {
    const int64_t blocks = geometry.out_channels / kLanes, block = PackedWeights<Kind>(geometry).block;
    const bool dense = geometry.stride == 1 && geometry.in_channels % Kind::kPair == 0;
    for (int64_t b = 0; b < blocks;) {
        const auto run = [&](auto size, auto parts, auto part) {
            forward_block<Kind, size.value, parts.value, part.value>(geometry, rows, begin, end, weights + b * block,
                                                                     bias + b * kLanes, y + b * kLanes);
        };
        const auto run_part = [&](auto size, auto parts) {
            if (geometry.in_channels == 16) return run(size, parts, Constant<16>{});
            if (geometry.in_channels == 32) return run(size, parts, Constant<32>{});
            run(size, parts, Constant<0>{});
        };
        const auto run_parts = [&](auto size) {
            if (dense && geometry.size == 1)
                run_part(size, Constant<1>{});
            else if (Kind::kOverlap && dense && geometry.size == 3)
                run_part(size, Constant<Kind::kOverlap ? 3 : 1>{});
            else
                run(size, Constant<1>{}, Constant<0>{});
            b += size.value;
        };
        if (blocks - b >= Kind::kMaxBlocks)
            run_parts(Constant<Kind::kMaxBlocks>{});
        else
            run_parts(Constant<1>{});
    }
}

// A factor of the weight gradient: its first number, and how far it is to the next row and the next step.
template <class Number>
struct Operand {
    const Number *begin;
    int64_t row, step;
};

// Weight-gradient micro-kernel: adds the products of C numbers and Q vectors, in each step of each row, to sums
// [C][sums_row].
template <class Kind, int Q, int C>
void wgrad_block(int64_t num_rows, int64_t num_steps, Operand<typename Kind::Number> vectors,
                 Operand<typename Kind::Number> numbers, float *sums, int64_t sums_row) {
    constexpr int kFloatsOfSum = kLanes / Kind::kVectors;
    typename Kind::Sum sum[C][Q];
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int q = 0; q < Q; q++) memcpy(&sum[c][q], sums + c * sums_row + q * kFloatsOfSum, sizeof sum[c][q]);
    for (int64_t h = 0; h < num_rows; h++) {
        const typename Kind::Number *of_vectors = vectors.begin + h * vectors.row;
        const typename Kind::Number *of_numbers = numbers.begin + h * numbers.row;
        for (int64_t i = 0; i < num_steps; i++, of_vectors += vectors.step, of_numbers += numbers.step) {
            typename Kind::Factor factors[Q];
            UNROLLED for (int q = 0; q < Q; q++)
                factors[q] = Kind::load_factor(of_vectors + q * kFloatsOfSum * Kind::kPair);
            UNROLLED for (int c = 0; c < C; c++) {
                if (Q == 1) {
                    Kind::multiply_add(sum[c][0], factors[0], of_numbers + c * Kind::kPair);
                    continue;
                }
                const typename Kind::Factor number = Kind::broadcast(of_numbers + c * Kind::kPair);
                UNROLLED for (int q = 0; q < Q; q++) Kind::multiply_add(sum[c][q], factors[q], number);
            }
        }
    }
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int q = 0; q < Q; q++) memcpy(sums + c * sums_row + q * kFloatsOfSum, &sum[c][q], sizeof sum[c][q]);
}

// Calls `call` for each row ky of the filter, with the operands of the rows [begin, end) of dY that meet X there.
template <class Kind, class Call>
void for_each_filter_row(const Geometry &geometry, const typename Kind::Packing &packing,
                         const Rows<typename Kind::Number> &x, const Rows<typename Kind::Number> &dy, int64_t begin,
                         int64_t end, const Call &call) {
    typedef Operand<typename Kind::Number> Factor;
    const int64_t stride = geometry.stride;
    for (int64_t ky = 0; ky < geometry.size; ky++) {
        const int64_t offset = ky - geometry.pad();  // the row h of dY meets h stride + offset of X
        const int64_t first = offset < 0 ? (stride - 1 - offset) / stride : 0;
        const int64_t below = geometry.in_height - offset;
        const int64_t last = below <= 0 ? 0 : (below - 1) / stride + 1;
        const int64_t h = first < begin ? begin : first, num_rows = (last < end ? last : end) - h;
        if (num_rows > 0)
            call(ky, num_rows, Factor{x.at(h * stride + offset), stride * x.stride, packing.x_step},
                 Factor{dy.at(h), dy.stride, packing.dy_step});
    }
}

template <class Number>
Operand<Number> shifted(Operand<Number> operand, int64_t numbers) {
    operand.begin += numbers;
    return operand;
}

// The weight's gradient in the rows [begin, end) of dY. The vectors are of X, Q of a window; the numbers are of dY.
template <class Kind, int Q>
void wgrad_strip(const Geometry &geometry, const typename Kind::Packing &packing,
                 const Rows<typename Kind::Number> &x, const Rows<typename Kind::Number> &dy, int64_t begin,
                 int64_t end, float *dweight) {
    constexpr int kRoom = (kRegisters == 16 ? 12 : 24) / Q, C = kRoom >= 16 ? 16 : kRoom >= 8 ? 8 : 4;
    constexpr int kNumbers = Q * kLanes / Kind::kVectors;
    const int64_t row = gradient_row(geometry), out_channels = geometry.out_channels;
    for_each_filter_row<Kind>(
        geometry, packing, x, dy, begin, end, [&](int64_t ky, int64_t num_rows, auto of_x, auto of_dy) {
            for (int64_t q = 0; q < row; q += kNumbers)
                for (int64_t c = 0; c < out_channels; c += C)
                    wgrad_block<Kind, Q, C>(num_rows, packing.steps, shifted(of_x, q * Kind::kPair),
                                            shifted(of_dy, c * Kind::kPair),
                                            dweight + (ky * out_channels + c) * row + q, row);
        });
}

// The same for windows that would leave many lanes of a vector empty, as in a network's first layer. The vectors are of
// dY, the numbers are of X: C of a window.
template <class Kind, int C>
void wgrad_strip_of_narrow(const Geometry &geometry, const typename Kind::Packing &packing,
                           const Rows<typename Kind::Number> &x, const Rows<typename Kind::Number> &dy, int64_t begin,
                           int64_t end, float *dweight) {
    const int64_t row = gradient_row(geometry), out_channels = geometry.out_channels;
    for_each_filter_row<Kind>(
        geometry, packing, x, dy, begin, end, [&](int64_t ky, int64_t num_rows, auto of_x, auto of_dy) {
            for (int64_t q = 0; q < geometry.window(); q += C)
                for (int64_t o = 0; o < out_channels; o += kLanes) {
                    float sums[C][kLanes] = {};
                    wgrad_block<Kind, Kind::kVectors, C>(num_rows, packing.steps, shifted(of_dy, o * Kind::kPair),
                                                         shifted(of_x, q * Kind::kPair), sums[0], kLanes);
                    for (int lane = 0; lane < kLanes; lane++)
                        for (int c = 0; c < C; c++)
                            dweight[(ky * out_channels + o + lane) * row + q + c] += sums[c][lane];
                }
        });
}

// The same by the micro-kernel that suits the geometry.
template <class Kind>
void wgrad_strip_of(const Geometry &geometry, const typename Kind::Packing &packing,
                    const Rows<typename Kind::Number> &x, const Rows<typename Kind::Number> &dy, int64_t begin,
                    int64_t end, float *dweight) {
    const auto run = [&](auto vectors) {
        wgrad_strip<Kind, vectors.value>(geometry, packing, x, dy, begin, end, dweight);
    };
    const auto run_narrow = [&](auto numbers) {
        wgrad_strip_of_narrow<Kind, numbers.value>(geometry, packing, x, dy, begin, end, dweight);
    };
    const int64_t vectors = gradient_row(geometry) / (kLanes / Kind::kVectors);
    if (geometry.window() == 9 && Kind::kVectors == 1)
        run_narrow(Constant<9>{});
    else if (geometry.window() <= 12 && geometry.window() % 3 == 0)
        run_narrow(Constant<3>{});
    else if (vectors % 3 == 0)
        run(Constant<3>{});
    else if (vectors % 2 == 0)
        run(Constant<2>{});
    else
        run(Constant<1>{});
}

// Adds the sum of dY over the rows [begin, end) to dbias, for one block of output channels.
template <class Kind>
void bias_strip(const typename Kind::Packing &packing, const Rows<typename Kind::Number> &dy, int64_t begin,
                int64_t end, float *dbias) {
    constexpr int N = Kind::kVectors, kFloatsOfSum = kLanes / N;
    typename Kind::Sum sums[2][N] = {};
    memcpy(sums[0], dbias, sizeof sums[0]);
    for (int64_t h = begin; h < end; h++)
        for (int64_t i = 0; i < packing.steps; i++)
            UNROLLED for (int n = 0; n < N; n++)
                Kind::add(sums[i % 2][n],
                          dy.at(h) + i * packing.dy_step + n * kFloatsOfSum * Kind::kPair);
    UNROLLED for (int n = 0; n < N; n++) sums[0][n] = sums[0][n] + sums[1][n];
    memcpy(dbias, sums[0], sizeof sums[0]);
}

// Parts of the scratch memory of the weight gradient.
template <class Kind>
struct WgradScratch {
    const typename Kind::Packing packing;
    const Strips strips;
    int64_t dy_at, extra_at, bytes;

    explicit WgradScratch(const Geometry &geometry)
        : packing(geometry),
          strips(geometry, (packing.x_row + packing.dy_row) * (int64_t)sizeof(typename Kind::Number)) {
        constexpr int64_t size = sizeof(typename Kind::Number);
        // Vectors of the last window read beyond it.
        dy_at = round_up((strips.in_rows * packing.x_row + kLanes * Kind::kPair) * size, kAlignment);
        extra_at = dy_at + round_up(strips.out_rows * packing.dy_row * size, kAlignment);
        bytes = extra_at + round_up(packing.scratch() * size, kAlignment);
    }
};

template <class Kind, bool kRounded, class X, class Y>
void vector_weight_gradient(const Geometry &geometry, const X *x, const Y *dy, char *scratch, float *dweight,
                            float *dbias) {
    typedef typename Kind::Number Number;
    const WgradScratch<Kind> parts(geometry);
    const int64_t blocks = geometry.out_channels / kLanes;
    for (int64_t begin = 0; begin < geometry.out_height; begin += parts.strips.out_rows) {
        const int64_t left = geometry.out_height - begin;
        const int64_t end = begin + (left < parts.strips.out_rows ? left : parts.strips.out_rows);
        const Rows<Number> packed_x =
            Kind::template pack_x<kRounded>(geometry, x, geometry.first_row(begin), geometry.end_row(end),
                                            (Number *)scratch, (Number *)(scratch + parts.extra_at));
        const Rows<Number> packed_dy = Kind::pack_dy(geometry, dy, begin, end, (Number *)(scratch + parts.dy_at));
        for (int64_t b = 0; b < blocks; b++) {
            const Rows<Number> outputs = {packed_dy.begin + b * kLanes * Kind::kPair, packed_dy.first,
                                          packed_dy.stride};
            bias_strip<Kind>(parts.packing, outputs, begin, end, dbias + b * kLanes);
        }
        wgrad_strip_of<Kind>(geometry, parts.packing, packed_x, packed_dy, begin, end, dweight);
    }
}

template <class Vectors>
struct VectorKind : Vectors {
    template <class Y>
    static void forward(const Geometry &geometry, const Rows<typename Vectors::Number> &rows, int64_t begin,
                        int64_t end, const typename Vectors::Number *weights, const float *bias, Y *y) {
        vector_forward<Vectors>(geometry, rows, begin, end, weights, bias, y);
    }
    static int64_t gradient_bytes(const Geometry &geometry) { return WgradScratch<Vectors>(geometry).bytes; }
    template <bool kRounded, class X, class Y>
    static void add_weight_gradient(const Geometry &geometry, const X *x, const Y *dy, char *scratch, float *dweight,
                                    float *dbias) {
        vector_weight_gradient<Vectors, kRounded>(geometry, x, dy, scratch, dweight, dbias);
    }
};

typedef VectorKind<FmaVectors> Fma;
#ifdef __AVX512BF16__
typedef VectorKind<DotVectors> Dot;
#endif

}  // namespace
