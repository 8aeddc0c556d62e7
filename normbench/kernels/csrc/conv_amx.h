// Convolutions by AMX: the same two micro-kernels as those of conv_vector.h, as products of tiles.
//
// Forward: up to 16 pixels of a row are the rows of A, their windows the columns: straight from the padded rows, as
// neighbouring windows are a fixed distance apart. B is a piece of a row of 16 filters, packed as for vdpbf16ps.
//
// Weight gradient: pixels are the inner dimension. A is dY transposed: a row of a tile is an output channel, with one
// pixel after the other. B is X in pairs of pixels: for another place in the filter it begins at another pixel. Where the
// filter moves by 2 pixels, or X has not whole blocks of 16 channels, B is made of the windows instead.
#pragma once
#include "amx.h"
#include "conv_vector.h"

#ifdef HAS_AMX
namespace {

// One step of M x N products, M tiles of A and N of B; their sums are in the registers m N + n. Four sums hide the time
// that a product takes. One of M and N is at most 2: these tiles stay, the others take turns in two registers.
template <int M, int N>
inline void multiply_step(const BFloat16 *const (&a)[M], int64_t a_offset, int64_t a_stride,
                          const BFloat16 *const (&b)[N], int64_t b_offset, int64_t b_stride) {
    constexpr int64_t size = sizeof(BFloat16);
    const auto load_a = [&](auto m) { load_tile<kTileOfA + m.value % 2>(a[m.value] + a_offset, a_stride * size); };
    const auto load_b = [&](auto n) { load_tile<kTileOfB + n.value % 2>(b[n.value] + b_offset, b_stride * size); };
    const auto multiply = [&](auto m, auto n) {
        multiply_tiles<m.value * N + n.value, kTileOfA + m.value % 2, kTileOfB + n.value % 2>();
    };
    if constexpr (N <= 2) {
        unrolled<N>(load_b);
        unrolled<M>([&](auto m) {
            load_a(m);
            unrolled<N>([&](auto n) { multiply(m, n); });
        });
    } else {
        unrolled<M>(load_a);
        unrolled<N>([&](auto n) {
            load_b(n);
            unrolled<M>([&](auto m) { multiply(m, n); });
        });
    }
}

// Products that have N factors in common, computed together as soon as there are as many as registers for their sums.
template <int N, class Product>
struct Group {
    static constexpr int kMax = kTilesOfC / N;
    Product products[kMax];
    int count = 0;

    // Calls `run` with the number of products, as a Constant.
    template <class Run>
    void flush(const Run &run) {
        unrolled<kMax>([&](auto i) {
            if (count == i.value + 1) run(Constant<i.value + 1>{});
        });
        count = 0;
    }
    template <class Run>
    void add(const Product &product, const Run &run) {
        products[count++] = product;
        if (count == kMax) flush(run);
    }
};

// Calls `call(b, N)` for the blocks of 16 output channels from b on, N at once: two, and one where it is the last.
template <class Call>
inline void for_blocks(int64_t out_channels, const Call &call) {
    const int64_t blocks = out_channels / kLanes;
    for (int64_t b = 0; b + 1 < blocks; b += 2) call(b, Constant<2>{});
    if (blocks % 2) call(blocks - 1, Constant<1>{});
}

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

struct Amx : Dot {  // whose packed weights it uses
    // A window is read in `count` equal steps of so many pairs, at most 16.
    struct Steps {
        int64_t pairs, count = 1;

        explicit Steps(int64_t window) {
            const int64_t all = (window + 1) / 2;
            while (all > count * kTileRows || all % count) count++;
            pairs = all / count;
        }
    };

    template <class Y>
    struct Outputs {  // those of one tile: pixels of a row
        const BFloat16 *x;
        Y *y;
    };

    template <int M, int N, class Y>
    static void forward_tiles(const Geometry &geometry, const Steps &steps, int64_t pixels, int64_t num_rows,
                              int64_t x_row, const Outputs<Y> *outputs, const BFloat16 *weights, const float *bias) {
        const PackedWeights<Amx> packed(geometry);
        const int64_t distance = geometry.stride * geometry.in_channels, pairs = steps.pairs;
        const BFloat16 *x[M], *filters[N];
        for (int m = 0; m < M; m++) x[m] = outputs[m].x;
        for (int n = 0; n < N; n++) filters[n] = weights + n * packed.block;
        unrolled<M * N>([&](auto c) { load_tile<c.value>(bias + c.value % N * kLanes, 0); });  // in each row
        for (int64_t i = 0; i < num_rows; i++)
            for (int64_t step = 0; step < steps.count; step++)
                multiply_step<M, N>(x, i * x_row + step * 2 * pairs, distance, filters,
                                    i * geometry.spacing * packed.row + step * pairs * 2 * kLanes, 2 * kLanes);
        alignas(kTileBytes) float sums[M][N][kTileRows][kLanes];
        unrolled<M * N>([&](auto c) { store_tile<c.value>(sums[c.value / N][c.value % N], kTileBytes); });
        for (int m = 0; m < M; m++)
            for (int64_t p = 0; p < pixels; p++)
                for (int n = 0; n < N; n++)
                    store(outputs[m].y + p * geometry.out_channels + n * kLanes, load(sums[m][n][p]));
    }

    // The last tile of a row may overlap its neighbour: it computes the same numbers again.
    template <class Y>
    static void forward(const Geometry &geometry, const Rows<BFloat16> &rows, int64_t begin, int64_t end,
                        const BFloat16 *weights, const float *bias, Y *y) {
        const int64_t width = geometry.out_width, channels = geometry.out_channels;
        const bool is_one_row = geometry.size == 1 && geometry.stride == 1 && geometry.spacing == 1;
        if (is_one_row && end - begin > 1) {  // of all the pixels
            Geometry row = geometry;
            row.in_width = row.out_width = (end - begin) * width;
            row.in_height = row.out_height = 1;
            return forward(row, {rows.at(begin), 0, 0}, 0, 1, weights, bias, y + begin * width * channels);
        }
        const PackedWeights<Amx> packed(geometry);
        const Steps steps(geometry.window());
        const int64_t pixels = smaller(width, kTileRows);
        const TileScope tiles(pixels, steps.pairs);
        for_blocks(channels, [&](int64_t b, auto blocks) {
            constexpr int N = blocks.value;
            Group<N, Outputs<Y>> group;
            Geometry::Meeting meeting = geometry.meeting(begin);
            const auto run = [&](auto count) {
                const int64_t num_rows = (meeting.end - meeting.ky + geometry.spacing - 1) / geometry.spacing;
                forward_tiles<count.value, N>(geometry, steps, pixels, num_rows, rows.stride, group.products,
                                              weights + b * packed.block + meeting.ky * packed.row,
                                              bias + b * kLanes);
            };
            for (int64_t h = begin; h < end; h++) {
                const Geometry::Meeting next = geometry.meeting(h);
                if (next.ky != meeting.ky || next.end != meeting.end) group.flush(run);  // other filters
                meeting = next;
                for (int64_t from = 0; from < width; from += pixels) {
                    const int64_t w = smaller(from, width - pixels);
                    group.add({rows.at(next.row) + w * geometry.stride * geometry.in_channels,
                               y + (h * width + w) * channels + b * kLanes},
                              run);
                }
            }
            group.flush(run);
        });
    }

    static constexpr int64_t kPixels = kTileBytes / sizeof(BFloat16);  // of a product in the weight gradient

    // How the weight gradient sees the input: as pixels that meet those of dY one to one, at a distance for each place
    // in the filter. They are the input's own, with zeros around; or the windows of an output, which are all in one place.
    struct GradientPlan {
        bool of_windows;
        int64_t channels;        // of such a pixel
        int64_t row;             // sums of a row of the filter
        int64_t pitch;           // pixels from row to row: with the zeros between them
        int64_t strip;           // rows of dY at once
        int64_t pixels, length;  // of a strip of dY and of the input
        int64_t pair_step;       // pixels from one pair of the input to the next: a distance may be odd
        int64_t image_at, x_at, dy_at, bytes;

        explicit GradientPlan(const Geometry &geometry)
            : of_windows(geometry.stride != 1 || geometry.in_channels % kLanes), row(gradient_row(geometry)) {
            constexpr int64_t size = sizeof(BFloat16);
            channels = of_windows ? geometry.size * row : geometry.in_channels;
            pitch = geometry.out_width + (of_windows ? 0 : geometry.pad());
            pair_step = of_windows ? 2 : 1;
            const int64_t numbers_of_pixel = channels + 2 * channels / pair_step + geometry.out_channels;
            const int64_t fitting = kStripBytes / (pitch * numbers_of_pixel * size);
            strip = smaller(fitting < 1 ? 1 : fitting, geometry.out_height);
            pixels = round_up(strip * pitch, kPixels);
            length = pixels + (of_windows ? 0 : (geometry.size - 1) * (pitch + 1));
            image_at = kAlignment;
            x_at = image_at + round_up((length + 1) * channels * size, kAlignment);
            dy_at = x_at + round_up((length / pair_step + 1) * 2 * channels * size, kAlignment);
            bytes = dy_at + pixels * geometry.out_channels * size;
        }
        // Where the pairs begin that 16 sums from q on, of a row of the filter, are made of.
        int64_t at(int64_t ky, int64_t q) const {
            return 2 * (of_windows ? ky * row + q : (ky * pitch + q / channels) * channels + q % channels);
        }
    };

    static int64_t gradient_bytes(const Geometry &geometry) { return GradientPlan(geometry).bytes; }

    // The rows of the input that the rows [begin, end) of dY meet: [length + 1][channels].
    template <bool kRounded, class X>
    static void copy_input(const Geometry &geometry, const GradientPlan &plan, const X *x, int64_t begin, int64_t end,
                           BFloat16 *to) {
        const BFloat16 *const stop = to + (plan.length + 1) * plan.channels;
        const int64_t pad = geometry.pad(), row = geometry.in_width * geometry.in_channels;
        const auto append_zeros = [&](int64_t count) {
            memset(to, 0, count * sizeof *to);
            to += count;
        };
        append_zeros(pad * plan.channels);
        for (int64_t h = begin - pad; h < end + pad; h++) {
            if (h >= 0 && h < geometry.in_height) {
                convert<kRounded>(x + h * row, row, to);
                to += row;
            } else {
                append_zeros(row);
            }
            append_zeros(pad * plan.channels);
        }
        append_zeros(stop - to);
    }

    // The windows of the pixels in the rows [begin, end) of dY: [length + 1][size][row].
    template <bool kRounded, class X>
    static void copy_windows(const Geometry &geometry, const GradientPlan &plan, const X *x, int64_t begin, int64_t end,
                             BFloat16 *to) {
        const int64_t channels = geometry.in_channels;
        memset(to, 0, (plan.length + 1) * plan.channels * sizeof *to);
        for (int64_t h = begin; h < end; h++)
            for (int64_t w = 0; w < geometry.out_width; w++, to += plan.channels)
                for (int64_t ky = 0; ky < geometry.size; ky++) {
                    const int64_t row = h * geometry.stride + ky - geometry.pad();
                    if (row < 0 || row >= geometry.in_height) continue;
                    const int64_t column = w * geometry.stride - geometry.pad();
                    const int64_t first = column < 0 ? 0 : column;
                    const int64_t last = smaller(column + geometry.size, geometry.in_width);
                    convert<kRounded>(x + (row * geometry.in_width + first) * channels, (last - first) * channels,
                                      to + ky * plan.row + (first - column) * channels);
                }
    }

    // Two pixels, of 16 channels, in pairs.
    static __m512i pairs_of(const BFloat16 *first, const BFloat16 *second) {
        const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
        const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
        return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
    }

    static void pack_x(const GradientPlan &plan, const BFloat16 *image, BFloat16 *to) {
        for (int64_t p = 0; p < plan.length; p += plan.pair_step)
            for (int64_t c = 0; c < plan.channels; c += kLanes, to += 2 * kLanes) {
                const BFloat16 *pixel = image + p * plan.channels + c;
                _mm512_storeu_si512(to, pairs_of(pixel, pixel + plan.channels));
            }
    }

    // A matrix of 16 x 16 pairs, by exchanging the corners of ever smaller squares.
    static void transpose(__m512i (&rows)[kLanes]) {
        const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        UNROLLED for (int size = kLanes / 2; size; size /= 2) {
            const __m512i offset = _mm512_set1_epi32(size), second = _mm512_set1_epi32(kLanes);
            const __mmask16 right = _mm512_test_epi32_mask(lane, offset);
            // An index from 16 on is one into the second vector.
            const __m512i upper = _mm512_mask_add_epi32(lane, right, _mm512_sub_epi32(lane, offset), second);
            const __m512i lower = _mm512_mask_add_epi32(_mm512_add_epi32(lane, offset), right, lane, second);
            UNROLLED for (int i = 0; i < kLanes; i++) {
                if (i & size) continue;
                const __m512i a = rows[i], b = rows[i + size];
                rows[i] = _mm512_permutex2var_epi32(a, upper, b);
                rows[i + size] = _mm512_permutex2var_epi32(a, lower, b);
            }
        }
    }

    // dY of the rows [begin, end) transposed, [out_channels][pixels], with zeros where the input has some between its
    // rows; and its sum, added to dbias.
    static void pack_dy(const Geometry &geometry, const GradientPlan &plan, const BFloat16 *dy, int64_t begin,
                        int64_t end, const BFloat16 *zeros, BFloat16 *to, float *dbias) {
        const int64_t channels = geometry.out_channels, width = geometry.out_width;
        for (int64_t c = 0; c < channels; c += kLanes) {
            int64_t h = begin, w = 0;
            const auto next_pixel = [&] {
                const BFloat16 *pixel = h < end && w < width ? dy + (h * width + w) * channels + c : zeros;
                if (++w == plan.pitch) w = 0, h++;
                return pixel;
            };
            f32x16 even = load(dbias + c), odd = {};
            for (int64_t p = 0; p < plan.pixels; p += kPixels) {
                __m512i pairs[kLanes];
                for (int i = 0; i < kLanes; i++) {
                    const BFloat16 *first = next_pixel(), *second = next_pixel();
                    even += load(first), odd += load(second);
                    pairs[i] = pairs_of(first, second);
                }
                transpose(pairs);
                for (int i = 0; i < kLanes; i++) _mm512_storeu_si512(to + (c + i) * plan.pixels + p, pairs[i]);
            }
            store(dbias + c, even + odd);
        }
    }

    struct Filters {  // those of one tile: 16 output channels, 16 numbers of a row
        const BFloat16 *x;
        float *sums;
    };

    // M blocks of 16 output channels.
    template <int M, int N>
    static void gradient_tiles(const GradientPlan &plan, const BFloat16 *dy, const Filters *filters) {
        const int64_t block = kLanes * plan.row, pair = 2 * plan.channels;
        const BFloat16 *a[M], *b[N];
        for (int m = 0; m < M; m++) a[m] = dy + m * kLanes * plan.pixels;
        for (int n = 0; n < N; n++) b[n] = filters[n].x;
        const auto sums_at = [&](int c) { return filters[c % N].sums + c / N * block; };
        unrolled<M * N>([&](auto c) { load_tile<c.value>(sums_at(c.value), plan.row * sizeof(float)); });
        for (int64_t p = 0; p < plan.pixels; p += kPixels)
            multiply_step<M, N>(a, p, plan.pixels, b, p / plan.pair_step * pair, 2 / plan.pair_step * pair);
        unrolled<M * N>([&](auto c) { store_tile<c.value>(sums_at(c.value), plan.row * sizeof(float)); });
    }

    template <bool kRounded, class X>
    static void add_weight_gradient(const Geometry &geometry, const X *x, const BFloat16 *dy, char *scratch,
                                    float *dweight, float *dbias) {
        const GradientPlan plan(geometry);
        BFloat16 *const zeros = (BFloat16 *)scratch, *const image = (BFloat16 *)(scratch + plan.image_at);
        BFloat16 *const x_pairs = (BFloat16 *)(scratch + plan.x_at), *const dy_rows = (BFloat16 *)(scratch + plan.dy_at);
        memset(zeros, 0, kLanes * sizeof *zeros);
        const TileScope tiles(kTileRows, kTileRows);
        for (int64_t begin = 0; begin < geometry.out_height; begin += plan.strip) {
            const int64_t end = smaller(begin + plan.strip, geometry.out_height);
            if (plan.of_windows)
                copy_windows<kRounded>(geometry, plan, x, begin, end, image);
            else
                copy_input<kRounded>(geometry, plan, x, begin, end, image);
            pack_x(plan, image, x_pairs);
            pack_dy(geometry, plan, dy, begin, end, zeros, dy_rows, dbias);
            for_blocks(geometry.out_channels, [&](int64_t o, auto blocks) {
                Group<blocks.value, Filters> group;
                const auto run = [&](auto count) {
                    gradient_tiles<blocks.value, count.value>(plan, dy_rows + o * kLanes * plan.pixels, group.products);
                };
                for (int64_t ky = 0; ky < geometry.size; ky++)
                    for (int64_t q = 0; q < plan.row; q += kLanes)
                        group.add({x_pairs + plan.at(ky, q),
                                   dweight + (ky * geometry.out_channels + o * kLanes) * plan.row + q},
                                  run);
                group.flush(run);
            });
        }
    }
};

}  // namespace
#endif
