// 3x3 convolutions at stride 1 by Winograd's minimal filtering F(2x2, 3x3): 16 products for 2x2 outputs of a pair of
// channels, where the sum over the filter takes 36. Lavin & Gray 2016 (arXiv:1509.09308), section 4.1.
//
// An image is cut into tiles of 2x2 outputs, each with the 4x4 inputs d that it sees. With a filter g:
//
//     V = B^T d B,   U = G g G^T,   M[i] = sum over input channels of U[i] V[i]  (i: one of 4x4),   Y = A^T M A
//     dM = A dY A^T,                dU[i] = sum over tiles of dM[i] V[i],                           dg = G^T dU G
//
//           1  0 -1  0          1    0    0
//     B^T = 0  1  1  0     G = 1/2  1/2  1/2     A^T = 1  1  1  0
//           0 -1  1  0         1/2 -1/2  1/2           0  1 -1 -1
//           0  1  0 -1          0    0    1
//
// M[i] is a 1x1 convolution whose pixels are the tiles, with the filters U[i]; dU[i] is its weight gradient.
// conv_vector.h computes both. The backward-data convolution is a forward one with other filters.
//
// Everything is in float32: rounding V or M to bfloat16 would cost accuracy. As with the sum over the filter, a NaN reaches
// the outputs that see it and no others.
#pragma once
#include "conv_vector.h"

namespace {

// The transforms in one dimension: result i of numbers t. In two dimensions they are applied to columns and then to rows.
struct InputTransform {  // B^T
    static constexpr int kFrom = 4, kTo = 4;
    template <class T>
    static T apply(int i, const T *t) {
        return i == 0 ? t[0] - t[2] : i == 1 ? t[1] + t[2] : i == 2 ? t[2] - t[1] : t[1] - t[3];
    }
};
struct FilterTransform {  // G
    static constexpr int kFrom = 3, kTo = 4;
    template <class T>
    static T apply(int i, const T *t) {
        return i == 0   ? t[0]
               : i == 1 ? (t[0] + t[2] + t[1]) * 0.5f
               : i == 2 ? (t[0] + t[2] - t[1]) * 0.5f
                        : t[2];
    }
};
struct OutputTransform {  // A^T
    static constexpr int kFrom = 4, kTo = 2;
    template <class T>
    static T apply(int i, const T *t) {
        return i == 0 ? t[0] + t[1] + t[2] : t[1] - t[2] - t[3];
    }
};
struct OutputGradient {  // A
    static constexpr int kFrom = 2, kTo = 4;
    template <class T>
    static T apply(int i, const T *t) {
        return i == 0 ? t[0] : i == 1 ? t[0] + t[1] : i == 2 ? t[0] - t[1] : -t[1];
    }
};
struct FilterGradient {  // G^T
    static constexpr int kFrom = 4, kTo = 3;
    template <class T>
    static T apply(int i, const T *t) {
        return i == 0 ? t[0] + (t[1] + t[2]) * 0.5f : i == 1 ? (t[1] - t[2]) * 0.5f : (t[1] + t[2]) * 0.5f + t[3];
    }
};

// From from(row, column) to to(row, column, value). A value is read where it is needed, so that few are in registers.
template <class Transform, class From, class To>
INLINE void transform(const From &from, const To &to) {
    typedef decltype(from(0, 0)) Value;
    UNROLLED for (int r = 0; r < Transform::kTo; r++) {
        Value row[Transform::kFrom];
        UNROLLED for (int c = 0; c < Transform::kFrom; c++) {
            Value column[Transform::kFrom];
            UNROLLED for (int i = 0; i < Transform::kFrom; i++) column[i] = from(i, c);
            row[c] = Transform::apply(r, column);
        }
        UNROLLED for (int c = 0; c < Transform::kTo; c++) to(r, c, Transform::apply(c, row));
    }
}

// An algorithm of conv.cpp.
struct Winograd {
    typedef float Number;
    typedef FmaVectors::Sum Vector;
    static constexpr int kTile = 2, kSeen = 4, kProducts = kSeen * kSeen;
    // A constant c in this product alone, (1, 1), adds c to all four outputs; and its dM is the sum of the four dY.
    static constexpr int kBiasProduct = 5;

    // Below 4x4 pixels too many of a tile's inputs are the zeros around the image.
    static bool fits(const ConvDesc &desc) {
        return desc.size == 3 && desc.stride == 1 && desc.in_channels % kLanes == 0 && desc.height >= kSeen &&
               desc.width >= kSeen;
    }

    // An image is taken in groups of tiles whose V and M stay in the cache.
    struct Plan {
        static constexpr int64_t kGroupBytes = 256 * 1024;
        static constexpr int64_t kMultiple = 24;  // of the tiles that a micro-kernel takes at once, 3, 6 or 8

        const Geometry geometry;
        int64_t across, tiles, group;  // tiles of a row of the image, of the image, of a group
        int64_t v_plane, m_plane;      // numbers from a product to the next one
        int64_t copy_at, v_at, m_at, bytes;  // of the scratch memory, which begins with a bias of zeros

        explicit Plan(const Geometry &geometry) : geometry(geometry) {
            const int64_t channels = geometry.in_channels + geometry.out_channels;
            const int64_t fitting = kGroupBytes / (kProducts * channels * (int64_t)sizeof(float)) / kMultiple * kMultiple;
            across = (geometry.out_width + 1) / kTile;
            tiles = (geometry.out_height + 1) / kTile * across;
            group = fitting < kMultiple ? kMultiple : fitting;
            if (group > tiles) group = tiles;
            // A cache line apart: planes that are a power of two apart would compete for the same part of the cache.
            v_plane = group * geometry.in_channels + kLanes;
            m_plane = group * geometry.out_channels + kLanes;
            const bool widens = geometry.out_channels > geometry.in_channels;
            const int64_t most = widens ? geometry.out_channels : geometry.in_channels;
            copy_at = round_up(geometry.out_channels * sizeof(float), kAlignment);
            v_at = copy_at + round_up(kProducts * most * sizeof(float), kAlignment);
            m_at = v_at + round_up(kProducts * v_plane * sizeof(float), kAlignment);
            bytes = m_at + round_up(kProducts * m_plane * sizeof(float), kAlignment);
        }
        // The 1x1 convolution of `count` tiles.
        Geometry product(int64_t count) const {
            return {1, count, geometry.in_channels, 1, count, geometry.out_channels, 1, 1, 1};
        }
        int64_t filters() const { return geometry.out_channels * geometry.in_channels; }  // numbers of U[i]

        template <class Call>
        void for_each_group(const Call &call) const {
            for (int64_t first = 0; first < tiles; first += group)
                call(first, tiles - first < group ? tiles - first : group);
        }
    };

    static int64_t packed_bytes(const Geometry &geometry) {
        return round_up(kProducts * Plan(geometry).filters() * sizeof(float), kAlignment);
    }
    static int64_t scratch_bytes(const Geometry &geometry) { return Plan(geometry).bytes; }
    static int64_t gradient_bytes(const Geometry &geometry) { return Plan(geometry).bytes; }
    static int64_t weight_sums(const Geometry &geometry) { return kProducts * Plan(geometry).filters(); }

    // Packed: [i][out_channels / 16][in_channels][16].
    static void pack_weight(const ConvDesc &desc, bool backward_data, const float *weight, float *to, const Part &part) {
        const Geometry geometry = backward_data ? backward_data_geometry(desc) : forward_geometry(desc);
        const int64_t product = Plan(geometry).filters();
        const int64_t in_stride = desc.weight_strides[backward_data ? 0 : 1];
        const int64_t out_stride = desc.weight_strides[backward_data ? 1 : 0];
        const int64_t rows = geometry.out_channels / kLanes * geometry.in_channels;
        for (int64_t row = part.begin(rows); row < part.end(rows); row++) {
            const float *of_row =
                weight + row / geometry.in_channels * kLanes * out_stride + row % geometry.in_channels * in_stride;
            f32x16 filter[3][3];
            for (int y = 0; y < 3; y++)
                for (int x = 0; x < 3; x++) {
                    const float *from = of_row + y * desc.weight_strides[2] + x * desc.weight_strides[3];
                    float numbers[kLanes];
                    for (int lane = 0; lane < kLanes; lane++) numbers[lane] = from[lane * out_stride];
                    if (desc.y_bf16) convert<true>(numbers, kLanes, numbers);
                    backward_data ? filter[2 - y][2 - x] = load(numbers) : filter[y][x] = load(numbers);
                }
            transform<FilterTransform>(
                [&](int r, int c) { return filter[r][c]; },
                [&](int r, int c, f32x16 u) { store(to + (r * kSeen + c) * product + row * kLanes, u); });
        }
    }

    static Vector load_vector(const float *from) { return FmaVectors::load_factor(from); }
    static Vector load_vector(const BFloat16 *from) {
        typedef uint16_t Halves __attribute__((vector_size(2 * kFloats)));
        typedef uint32_t Words __attribute__((vector_size(4 * kFloats)));
        return (Vector)(__builtin_convertvector(load_part<Halves>(from), Words) << 16);
    }

    // Pixels of a tile in the image, or in a copy: rows of `row` numbers.
    template <class T>
    struct Pixels {
        T *begin;
        int64_t row;
    };

    // Calls `call` for each of `count` tiles from `first` on with its number, and the row and column of its first output.
    template <class Call>
    static void for_each_tile(const Plan &plan, int64_t first, int64_t count, const Call &call) {
        int64_t h = first / plan.across * kTile, w = first % plan.across * kTile;
        for (int64_t tile = 0; tile < count; tile++) {
            call(tile, h, w);
            w += kTile;
            if (w < plan.across * kTile) continue;
            w = 0;
            h += kTile;
        }
    }

    // Calls `call` with the size x size pixels at (top, left) of an image. Where some are outside of it, these are zeros, in
    // a copy of all of them in float32.
    template <int size, class X, class Call>
    static void with_pixels(const X *image, int64_t height, int64_t width, int64_t channels, int64_t top, int64_t left,
                            float *copy, const Call &call) {
        if (top >= 0 && left >= 0 && top + size <= height && left + size <= width)
            return call(Pixels<const X>{image + (top * width + left) * channels, width * channels});
        for (int r = 0; r < size; r++)
            for (int c = 0; c < size; c++) {
                const int64_t h = top + r, w = left + c;
                const bool is_inside = h >= 0 && h < height && w >= 0 && w < width;
                float *to = copy + (r * size + c) * channels;
                for (int64_t k = 0; k < channels; k += kLanes)
                    store(to + k, is_inside ? load(image + (h * width + w) * channels + k) : f32x16{});
            }
        call(Pixels<const float>{copy, size * channels});
    }

    // V of `count` tiles from `first` on: to[i][tile][in_channels].
    template <class X>
    static void transform_input(const Plan &plan, const X *x, int64_t first, int64_t count, float *copy, float *to) {
        const int64_t height = plan.geometry.in_height, width = plan.geometry.in_width;
        const int64_t channels = plan.geometry.in_channels, plane = plan.v_plane;
        for_each_tile(plan, first, count, [&](int64_t tile, int64_t h, int64_t w) {
            with_pixels<kSeen>(x, height, width, channels, h - 1, w - 1, copy, [&](auto pixels) {
                for (int64_t k = 0; k < channels; k += kFloats) {
                    const auto *from = pixels.begin + k;
                    float *v = to + tile * channels + k;
                    transform<InputTransform>(
                        [&](int r, int c) { return load_vector(from + r * pixels.row + c * channels); },
                        [&](int r, int c, Vector value) { store_part(v + (r * kSeen + c) * plane, value); });
                }
            });
        });
    }

    template <class Y>
    static void transform_output(const Plan &plan, const float *m, int64_t first, int64_t count, float *copy, Y *y) {
        constexpr int V = FmaVectors::kVectors;
        const int64_t channels = plan.geometry.out_channels, plane = plan.m_plane;
        const int64_t height = plan.geometry.out_height, width = plan.geometry.out_width;
        for_each_tile(plan, first, count, [&](int64_t tile, int64_t h, int64_t w) {
            const bool is_whole = h + kTile <= height && w + kTile <= width;
            const Pixels<Y> pixels = is_whole ? Pixels<Y>{y + (h * width + w) * channels, width * channels}
                                              : Pixels<Y>{(Y *)copy, kTile * channels};
            for (int64_t k = 0; k < channels; k += kLanes) {
                Vector outputs[kTile][kTile][V];
                UNROLLED for (int part = 0; part < V; part++) {
                    const float *from = m + tile * channels + k + part * kFloats;
                    transform<OutputTransform>(
                        [&](int r, int c) { return load_vector(from + (r * kSeen + c) * plane); },
                        [&](int r, int c, Vector value) { outputs[r][c][part] = value; });
                }
                UNROLLED for (int j = 0; j < kTile * kTile; j++) {
                    f32x16 values;
                    memcpy(&values, outputs[j / kTile][j % kTile], sizeof values);
                    store(pixels.begin + j / kTile * pixels.row + j % kTile * channels + k, values);
                }
            }
            if (is_whole) return;
            for (int r = 0; r < kTile && h + r < height; r++)
                memcpy(y + ((h + r) * width + w) * channels, pixels.begin + r * pixels.row,
                       (w + kTile <= width ? kTile : width - w) * channels * sizeof *y);
        });
    }

    // dM of the tiles: to[i][tile][out_channels]; adds the sum of dY to dbias.
    template <class Y>
    static void transform_output_gradient(const Plan &plan, const Y *dy, int64_t first, int64_t count, float *copy,
                                          float *to, float *dbias) {
        const int64_t height = plan.geometry.out_height, width = plan.geometry.out_width;
        const int64_t channels = plan.geometry.out_channels, plane = plan.m_plane;
        for_each_tile(plan, first, count, [&](int64_t tile, int64_t h, int64_t w) {
            with_pixels<kTile>(dy, height, width, channels, h, w, copy, [&](auto pixels) {
                for (int64_t k = 0; k < channels; k += kFloats) {
                    const auto *from = pixels.begin + k;
                    float *dm = to + tile * channels + k;
                    transform<OutputGradient>(
                        [&](int r, int c) { return load_vector(from + r * pixels.row + c * channels); },
                        [&](int r, int c, Vector value) { store_part(dm + (r * kSeen + c) * plane, value); });
                    store_part(dbias + k, load_vector(dbias + k) + load_vector(dm + kBiasProduct * plane));
                }
            });
        });
    }

    template <bool kRounded, class X, class Y>
    static void convolve(const Geometry &geometry, const X *x, const float *weights, const float *bias, char *scratch,
                         Y *y) {
        const Plan plan(geometry);
        float *const zeros = (float *)scratch, *const v = (float *)(scratch + plan.v_at);
        float *const m = (float *)(scratch + plan.m_at);
        float *const copy = (float *)(scratch + plan.copy_at);
        memset(zeros, 0, plan.copy_at);
        plan.for_each_group([&](int64_t first, int64_t count) {
            transform_input(plan, x, first, count, copy, v);
            for (int i = 0; i < kProducts; i++)
                vector_forward<FmaVectors>(plan.product(count), {v + i * plan.v_plane, 0, 0}, 0, 1,
                                           weights + i * plan.filters(), i == kBiasProduct ? bias : zeros,
                                           m + i * plan.m_plane);
            transform_output(plan, m, first, count, copy, y);
        });
    }

    // The sums are those of dU: [i][out_channels][in_channels].
    template <bool kRounded, class X, class Y>
    static void add_weight_gradient(const Geometry &geometry, const X *x, const Y *dy, char *scratch, float *sums,
                                    float *dbias) {
        const Plan plan(geometry);
        float *const v = (float *)(scratch + plan.v_at), *const dm = (float *)(scratch + plan.m_at);
        float *const copy = (float *)(scratch + plan.copy_at);
        plan.for_each_group([&](int64_t first, int64_t count) {
            transform_input(plan, x, first, count, copy, v);
            transform_output_gradient(plan, dy, first, count, copy, dm, dbias);
            const Geometry product = plan.product(count);
            const FmaVectors::Packing packing(product);
            for (int i = 0; i < kProducts; i++)
                wgrad_strip_of<FmaVectors>(product, packing, {v + i * plan.v_plane, 0, 0}, {dm + i * plan.m_plane, 0, 0},
                                           0, 1, sums + i * plan.filters());
        });
    }

    // The gradient of the weight from the sums; `sum_at` adds 16 of them over the chunks of the batch.
    template <class SumAt>
    static void write_gradient(const ConvDesc &desc, const SumAt &sum_at, float *gradient, const Part &part) {
        const int64_t out = desc.out_channels, in = desc.in_channels, *strides = desc.weight_strides;
        for (int64_t o = part.begin(out); o < part.end(out); o++)
            for (int64_t c = 0; c < in; c += kLanes) {
                f32x16 du[kSeen][kSeen];
                for (int i = 0; i < kProducts; i++) du[i / kSeen][i % kSeen] = sum_at((i * out + o) * in + c);
                transform<FilterGradient>(
                    [&](int r, int s) { return du[r][s]; },
                    [&](int r, int s, f32x16 filter) {
                        float *to = gradient + o * strides[0] + c * strides[1] + r * strides[2] + s * strides[3];
                        if (strides[1] == 1) return store(to, filter);
                        for (int lane = 0; lane < kLanes; lane++) to[lane * strides[1]] = filter[lane];
                    });
            }
    }
};

}  // namespace
