// What the kinds of convolution share: the descriptor, windows over padded rows, and the order of packed weights.
//
// In channels_last, what a filter of `size` x `size` pixels sees of one row of an image is a window of
// size x in_channels consecutive numbers. So each output is a sum of `size` inner products, of a window and a row of the
// filter, in forward and backward-data alike. This needs no condition on in_channels: an image of 3 colors is no other
// case. Outputs come in blocks of 16 channels.
//
// A kind is a way to multiply and add. It is a struct with these static members:
//     Number           the type of packed weights, and of the rows that it reads
//     kPair            how many numbers it multiplies and adds at once
//     kStep            it reads windows in steps of so many numbers; the weights behind a window are zeros
//     forward          output rows [begin, end) of an image
//     gradient_bytes   the scratch memory of add_weight_gradient
//     add_weight_gradient   adds an image's gradients of weight and bias to sums
// conv_vector.h has two of them, conv_amx.h the third. conv.cpp chooses the kind; direct.h uses it.
#pragma once
#include <type_traits>

#include "dispatch.h"
#include "graph.h"
#include "vectors.h"

// A convolution with an odd filter and zero padding of size / 2, so that stride 1 keeps height and width. Activations are
// channels_last. The weight is [out_channels][in_channels][size][size] in float32, with these strides; so is its
// gradient.
struct ConvDesc {
    int64_t num_images, height, width, in_channels, out_channels, size, stride;
    int64_t weight_strides[4];
    int64_t x_bf16, y_bf16;  // with bfloat16 y, the weight and a float32 x are rounded to bfloat16 too
    int64_t has_dx;          // whether the gradient of x is wanted

};

namespace {

#define UNROLLED _Pragma("GCC unroll 32")  // so that sums stay in registers

inline const ConvDesc &conv_desc(const OpArgs &args) { return *(const ConvDesc *)args.desc; }

constexpr int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }
constexpr int64_t kAlignment = 64;  // bytes, of the parts of a scratch memory

// One direction of a convolution. Between the pixels of the input stand spacing - 1 zeros, and around them size / 2.
struct Geometry {
    int64_t in_height, in_width, in_channels, out_height, out_width, out_channels;
    int64_t size, stride, spacing;

    int64_t pad() const { return size / 2; }
    int64_t window() const { return size * in_channels; }                       // numbers
    int64_t padded_row() const { return ((out_width - 1) * stride + size) * in_channels; }
    int64_t max_rows() const { return (in_height - 1) * spacing + 1; }

    // The rows of the filter that meet a row of the input, for a row of the output: ky, ky + spacing, ... below `end`.
    // The first of them meets `row` of the input, the next one row + 1, and so on.
    struct Meeting {
        int64_t ky, end, row;
    };
    Meeting meeting(int64_t out_row) const {
        const int64_t top = out_row * stride - pad();
        const int64_t ky = top < 0 ? -top : (spacing - top % spacing) % spacing;
        const int64_t below = max_rows() - top;
        return {ky, below < size ? below : size, (top + ky) / spacing};
    }
    // The rows of the input that the rows [begin, end) of the output need.
    int64_t first_row(int64_t begin) const { return meeting(begin).row; }
    int64_t end_row(int64_t end) const {
        const int64_t row = ((end - 1) * stride - pad() + size - 1) / spacing + 1;
        return row < in_height ? row : in_height;
    }
};

inline Geometry forward_geometry(const ConvDesc &desc) {
    return {desc.height, desc.width, desc.in_channels, (desc.height - 1) / desc.stride + 1,
            (desc.width - 1) / desc.stride + 1, desc.out_channels, desc.size, desc.stride, 1};
}

// dx is the convolution of dy with the filters turned by 180 degrees; a stride becomes a spacing.
inline Geometry backward_data_geometry(const ConvDesc &desc) {
    const Geometry forward = forward_geometry(desc);
    return {forward.out_height, forward.out_width, forward.out_channels, desc.height, desc.width, desc.in_channels,
            desc.size, 1, desc.stride};
}

// Rows of an image, from row `first` on, `stride` numbers apart.
template <class Number>
struct Rows {
    const Number *begin;
    int64_t first, stride;

    const Number *at(int64_t row) const { return begin + (row - first) * stride; }
};

// An image is taken in strips of rows whose scratch memory stays in the cache, so that it is bounded for any height.
constexpr int64_t kStripBytes = 128 * 1024;

struct Strips {
    int64_t out_rows, in_rows;  // of a strip

    Strips(const Geometry &geometry, int64_t bytes_of_row) {
        const int64_t fitting = kStripBytes / bytes_of_row;
        in_rows = fitting < geometry.size ? geometry.size : fitting;
        out_rows = (in_rows - geometry.size) / geometry.stride + 1;
        if (out_rows > geometry.out_height) out_rows = geometry.out_height;
        if (in_rows > geometry.in_height) in_rows = geometry.in_height;
    }
};

// Copies numbers and converts them. Rounded: to bfloat16, whatever the type of the copy.
template <bool kRounded, class From, class To>
inline void convert16(const From *from, To *to) {
    if (kRounded && std::is_same<From, float>::value && std::is_same<To, float>::value) {
        BFloat16 rounded[kLanes];
        store(rounded, load(from));
        return store(to, load(rounded));
    }
    store(to, load(from));
}
template <bool kRounded, class From, class To>
inline void convert(const From *from, int64_t count, To *to) {
    if (std::is_same<From, To>::value && !kRounded) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) convert16<kRounded>(from + i, to + i);
    if (i == count) return;
    From last[kLanes] = {};
    To converted[kLanes];
    memcpy(last, from + i, (count - i) * sizeof *from);
    convert16<kRounded>(last, converted);
    memcpy(to + i, converted, (count - i) * sizeof *to);
}

// A row of an image with its zeros: around the pixels, and between them.
template <bool kRounded, class X, class Number>
inline void pad_row(const Geometry &geometry, const X *row, Number *to) {
    const int64_t channels = geometry.in_channels, before = geometry.pad() * channels;
    const int64_t room = geometry.padded_row() - before, count = geometry.in_width * channels;
    const int64_t kept = count < room ? count : room;
    if (geometry.spacing == 1) {
        memset(to, 0, before * sizeof *to);
        convert<kRounded>(row, kept, to + before);
        memset(to + before + kept, 0, (room - kept) * sizeof *to);
        return;
    }
    memset(to, 0, geometry.padded_row() * sizeof *to);
    for (int64_t w = 0; w < geometry.in_width; w++)
        convert<kRounded>(row + w * channels, channels, to + before + w * geometry.spacing * channels);
}

template <bool kRounded, class X, class Number>
inline Rows<Number> pad_rows(const Geometry &geometry, const X *x, int64_t first, int64_t end, Number *to) {
    const int64_t stride = geometry.padded_row();
    for (int64_t row = first; row < end; row++)
        pad_row<kRounded>(geometry, x + row * geometry.in_width * geometry.in_channels, to + (row - first) * stride);
    return {to, first, stride};
}

// The packed weights of a kind: [out_channels / 16][ky][window / pair][16][pair], windows rounded up to steps.
template <class Kind>
struct PackedWeights {
    int64_t row, block, count;  // numbers: of a row of 16 filters, of the filters, and of all

    explicit PackedWeights(const Geometry &geometry)
        : row(round_up(geometry.window(), Kind::kStep) * kLanes), block(geometry.size * row),
          count(geometry.out_channels / kLanes * block) {}
};

// The gradient of the weight is summed in [size][out_channels][a row], a row being a window rounded up to vectors.
inline int64_t gradient_row(const Geometry &geometry) { return round_up(geometry.window(), kLanes); }

}  // namespace
