// Convolutions as sums over windows of padded rows, by a kind of multiply and add (conv.h); any shape.
#pragma once
#include "conv.h"

namespace {

// Padded rows of the input in scratch memory.
template <class Kind>
struct PaddedRows {
    const Strips strips;
    int64_t bytes;

    explicit PaddedRows(const Geometry &geometry)
        : strips(geometry, geometry.padded_row() * (int64_t)sizeof(typename Kind::Number)),
          bytes(round_up((strips.in_rows * geometry.padded_row() + Kind::kStep) * sizeof(typename Kind::Number),
                         kAlignment)) {}
};

// An algorithm of conv.cpp.
template <class Kind>
struct Direct {
    typedef typename Kind::Number Number;

    static int64_t packed_bytes(const Geometry &geometry) {
        return round_up(PackedWeights<Kind>(geometry).count * sizeof(Number), kAlignment);
    }
    static int64_t scratch_bytes(const Geometry &geometry) { return PaddedRows<Kind>(geometry).bytes; }
    static int64_t gradient_bytes(const Geometry &geometry) { return Kind::gradient_bytes(geometry); }
    static int64_t weight_sums(const Geometry &geometry) {
        return geometry.size * geometry.out_channels * gradient_row(geometry);
    }

    // For backward-data the filters are turned by 180 degrees, and in and out channels are swapped.
    static void pack_weight(const ConvDesc &desc, bool backward_data, const float *weight, Number *to, const Part &part) {
        const Geometry geometry = backward_data ? backward_data_geometry(desc) : forward_geometry(desc);
        const PackedWeights<Kind> packed(geometry);
        const int64_t size = desc.size;
        const int64_t in_stride = desc.weight_strides[backward_data ? 0 : 1];
        const int64_t out_stride = desc.weight_strides[backward_data ? 1 : 0];
        const int64_t num_rows = geometry.out_channels / kLanes * size;
        for (int64_t row = part.begin(num_rows); row < part.end(num_rows); row++) {
            const int64_t ky = row % size, from_y = backward_data ? size - 1 - ky : ky;
            const float *of_row = weight + row / size * kLanes * out_stride + from_y * desc.weight_strides[2];
            typename Kind::Number *next = to + row * packed.row;
            float gathered[Kind::kPair][kLanes];
            int count = 0;
            const auto append = [&](const float *number) {  // the number of each of 16 output channels
                if (number && out_stride == 1)
                    store(gathered[count], load(number));
                else
                    for (int lane = 0; lane < kLanes; lane++) gathered[count][lane] = number ? number[lane * out_stride] : 0;
                if (++count < Kind::kPair) return;
                Kind::pack_numbers(gathered, desc.y_bf16, next);
                next += Kind::kPair * kLanes;
                count = 0;
            };
            for (int64_t kx = 0; kx < size; kx++) {
                const int64_t from_x = backward_data ? size - 1 - kx : kx;
                for (int64_t c = 0; c < geometry.in_channels; c++)
                    append(of_row + from_x * desc.weight_strides[3] + c * in_stride);
            }
            for (int64_t q = geometry.window() * kLanes; q < packed.row; q += kLanes) append(nullptr);
        }
    }

    template <bool kRounded, class X, class Y>
    static void convolve(const Geometry &geometry, const X *x, const Number *weights, const float *bias, char *scratch,
                         Y *y) {
        if constexpr (std::is_same<X, Number>::value && !kRounded)
            if (geometry.size == 1 && geometry.spacing == 1 && geometry.window() % Kind::kStep == 0) {
                const Rows<Number> rows = {x, 0, geometry.in_width * geometry.in_channels};
                return Kind::forward(geometry, rows, 0, geometry.out_height, weights, bias, y);
            }
        const Strips strips = PaddedRows<Kind>(geometry).strips;
        for (int64_t begin = 0; begin < geometry.out_height; begin += strips.out_rows) {
            const int64_t left = geometry.out_height - begin;
            const int64_t end = begin + (left < strips.out_rows ? left : strips.out_rows);
            const int64_t first = geometry.first_row(begin), last = geometry.end_row(end);
            const Rows<Number> rows = pad_rows<kRounded>(geometry, x, first, last, (Number *)scratch);
            memset((Number *)scratch + (last - first) * rows.stride, 0, Kind::kStep * sizeof(Number));
            Kind::forward(geometry, rows, begin, end, weights, bias, y);
        }
    }

    template <bool kRounded, class X, class Y>
    static void add_weight_gradient(const Geometry &geometry, const X *x, const Y *dy, char *scratch, float *sums,
                                    float *dbias) {
        Kind::template add_weight_gradient<kRounded>(geometry, x, dy, scratch, sums, dbias);
    }

    // The sums are [size][out_channels][gradient_row]; `sum_at` adds 16 of them over the chunks of the batch.
    template <class SumAt>
    static void write_gradient(const ConvDesc &desc, const SumAt &sum_at, float *gradient, const Part &part) {
        const int64_t out = desc.out_channels, channels = desc.in_channels, length = gradient_row(forward_geometry(desc));
        const int64_t window = forward_geometry(desc).window();
        const bool is_gapless = desc.weight_strides[1] == 1 && desc.weight_strides[3] == channels;
        for (int64_t row = part.begin(desc.size * out); row < part.end(desc.size * out); row++) {
            f32x16 sum = {};
            float *to = gradient + row / out * desc.weight_strides[2] + row % out * desc.weight_strides[0];
            if (is_gapless && window % kLanes == 0) {
                for (int64_t q = 0; q < window; q += kLanes) store(to + q, sum_at(row * length + q));
                continue;
            }
            int64_t q = 0;
            for (int64_t kx = 0; kx < desc.size; kx++)
                for (int64_t c = 0; c < channels; c++, q++) {
                    if (q % kLanes == 0) sum = sum_at(row * length + q);
                    to[kx * desc.weight_strides[3] + c * desc.weight_strides[1]] = sum[q % kLanes];
                }
        }
    }
};

}  // namespace
