// Depthwise 3x3 convolutions: each channel has a filter of its own. With stride s and zeros around the image,
//     y[h, w, c] = bias[c] + sum over ky, kx of weight[c, ky, kx] x[s h + ky - 1, s w + kx - 1, c].
//
// Images are channels_last, [height][width][channels], the channels a multiple of 16. A micro-kernel takes up to 4
// neighbouring pixels of 16 channels, so that a column of x is read once for all the outputs that it reaches. Sums are in
// float32.
#include "dispatch.h"
#include "graph.h"

struct DepthwiseDesc {
    int64_t num_images, height, width, channels, stride;  // of x
    int64_t weight_strides[3];                            // of channel, ky and kx, in numbers
    int64_t bf16;  // 1: activations are bfloat16, and the weight is rounded to it; 0: float32

    int64_t out_height() const { return (height - 1) / stride + 1; }
    int64_t out_width() const { return (width - 1) / stride + 1; }
};

namespace {

#define UNROLLED _Pragma("GCC unroll 16")

constexpr int kTaps = 9;
constexpr int kRows = kTaps + 1;  // of [channels], in a gradient: those of the filters and of the bias

// Calls `call` with the descriptor, a value of the activations' type, and the stride.
template <class Call>
void dispatch(const OpArgs &args, const Call &call) {
    const DepthwiseDesc desc = *(const DepthwiseDesc *)args.desc;  // a copy, which no store to an output can change
    if (desc.channels % kLanes) unsupported("depthwise", "number of channels", desc.channels);
    dispatch_dtype("depthwise", desc.bf16, [&](auto dtype) {
        switch (desc.stride) {
            case 1: return call(desc, dtype, Constant<1>{});
            case 2: return call(desc, dtype, Constant<2>{});
        }
        unsupported("depthwise", "stride", desc.stride);
    });
}

// Calls `call(w, T)` for tiles of T pixels that make up a row.
template <class Call>
inline void for_tiles(int64_t width, const Call &call) {
    int64_t w = 0;
    for (; w + 4 <= width; w += 4) call(w, Constant<4>{});
    if (width & 2) call(w, Constant<2>{}), w += 2;
    if (width & 1) call(w, Constant<1>{});
}

// 16 channels of a row of pixels, with zeros before and behind it.
template <class T>
struct Row {
    const T *begin;
    int64_t width, channels;

    f32x16 at(int64_t w) const { return w < 0 || w >= width ? f32x16{} : load(begin + w * channels); }
    f32x16 inside(int64_t w) const { return load(begin + w * channels); }
};

// The weight as [ky][kx][channels], rounded as the activations are.
const float *packed_weight(const OpArgs &args) { return (const float *)args.workspace; }

void pack_weight(const OpArgs &args, const Part &part) {
    dispatch(args, [&](const DepthwiseDesc &desc, auto dtype, auto) {
        float *to = (float *)args.workspace;
        const int64_t vectors = desc.channels / kLanes;
        for (int64_t c = part.begin(vectors) * kLanes; c < part.end(vectors) * kLanes; c += kLanes)
            for (int64_t tap = 0; tap < kTaps; tap++) {
                const float *from = args.parameters[0] + tap / 3 * desc.weight_strides[1] +
                                    tap % 3 * desc.weight_strides[2];
                f32x16 numbers;
                for (int lane = 0; lane < kLanes; lane++) numbers.set(lane, from[(c + lane) * desc.weight_strides[0]]);
                decltype(dtype) rounded[kLanes];
                store(rounded, numbers);
                store(to + tap * desc.channels + c, load(rounded));
            }
    });
}

// y of T pixels from w on.
template <int S, int T, class X>
inline void forward_tile(const DepthwiseDesc &desc, const X *x, const float *weight, const float *bias, int64_t h,
                         int64_t w, X *y) {
    constexpr int kColumns = (T - 1) * S + 3;
    f32x16 sums[T];
    UNROLLED for (int t = 0; t < T; t++) sums[t] = load(bias);
    for (int ky = 0; ky < 3; ky++) {
        const int64_t row_of_x = h * S + ky - 1;
        if (row_of_x < 0 || row_of_x >= desc.height) continue;
        const Row<X> row = {x + row_of_x * desc.width * desc.channels, desc.width, desc.channels};
        f32x16 filter[3];
        UNROLLED for (int kx = 0; kx < 3; kx++) filter[kx] = load(weight + (3 * ky + kx) * desc.channels);
        UNROLLED for (int j = 0; j < kColumns; j++) {
            const int64_t column = w * S - 1 + j;
            const f32x16 pixel = j == 0 || j == kColumns - 1 ? row.at(column) : row.inside(column);
            UNROLLED for (int kx = 0; kx < 3; kx++)
                if ((j - kx) % S == 0 && j >= kx && j - kx <= (T - 1) * S) sums[(j - kx) / S] += filter[kx] * pixel;
        }
    }
    UNROLLED for (int t = 0; t < T; t++) store(y + t * desc.channels, sums[t]);
}

void forward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const DepthwiseDesc &desc, auto dtype, auto stride) {
        using X = decltype(dtype);
        const X *x = args.x.at<X>(task);
        X *y = args.y.at<X>(task);
        for (int64_t h = 0; h < desc.out_height(); h++)
            for (int64_t c = 0; c < desc.channels; c += kLanes)
                for_tiles(desc.out_width(), [&](int64_t w, auto size) {
                    forward_tile<stride.value, size.value>(desc, x + c, packed_weight(args) + c, args.parameters[1] + c,
                                                           h, w, y + (h * desc.out_width() + w) * desc.channels + c);
                });
    });
}

// dx of T pixels from w on. A pixel m of dY meets the pixels s m - 1 to s m + 1 of x; w is a multiple of s.
template <int S, int T, class X>
inline void backward_tile(const DepthwiseDesc &desc, const X *dy, const float *weight, int64_t h, int64_t w, X *dx) {
    constexpr int kFirst = S == 1 ? -1 : 0, kLast = (T + S - 1) / S;  // pixels of dY, from w / s on
    f32x16 sums[T] = {};
    for (int ky = 0; ky < 3; ky++) {
        const int64_t position = h + 1 - ky;  // s times the row of dY
        if (position < 0 || position % S || position / S >= desc.out_height()) continue;
        const Row<X> row = {dy + position / S * desc.out_width() * desc.channels, desc.out_width(), desc.channels};
        f32x16 filter[3];
        UNROLLED for (int kx = 0; kx < 3; kx++) filter[kx] = load(weight + (3 * ky + kx) * desc.channels);
        UNROLLED for (int m = kFirst; m <= kLast; m++) {
            const f32x16 pixel = m == kFirst || m == kLast ? row.at(w / S + m) : row.inside(w / S + m);
            UNROLLED for (int kx = 0; kx < 3; kx++) {
                const int t = S * m + kx - 1;
                if (t >= 0 && t < T) sums[t] += filter[kx] * pixel;
            }
        }
    }
    UNROLLED for (int t = 0; t < T; t++) store(dx + t * desc.channels, sums[t]);
}

// Adds the products of T pixels of dY from w on with x to the sums of filters and bias.
template <int S, int T, class X>
inline void gradient_tile(const DepthwiseDesc &desc, const X *x, const X *dy, int64_t h, int64_t w,
                          f32x16 (&sums)[kRows]) {
    constexpr int kColumns = (T - 1) * S + 3;
    f32x16 outputs[T];
    UNROLLED for (int t = 0; t < T; t++) {
        outputs[t] = load(dy + t * desc.channels);
        sums[kTaps] += outputs[t];
    }
    UNROLLED for (int ky = 0; ky < 3; ky++) {
        const int64_t row_of_x = h * S + ky - 1;
        if (row_of_x < 0 || row_of_x >= desc.height) continue;
        const Row<X> row = {x + row_of_x * desc.width * desc.channels, desc.width, desc.channels};
        UNROLLED for (int j = 0; j < kColumns; j++) {
            const int64_t column = w * S - 1 + j;
            const f32x16 pixel = j == 0 || j == kColumns - 1 ? row.at(column) : row.inside(column);
            UNROLLED for (int kx = 0; kx < 3; kx++)
                if ((j - kx) % S == 0 && j >= kx && j - kx <= (T - 1) * S)
                    sums[3 * ky + kx] += pixel * outputs[(j - kx) / S];
        }
    }
}

// The gradients of a chunk: [kRows][channels], behind the packed weight.
float *gradients_of(const OpArgs &args, const DepthwiseDesc &desc, int64_t chunk) {
    return (float *)args.workspace + (kTaps + chunk * kRows) * desc.channels;
}

void backward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const DepthwiseDesc &desc, auto dtype, auto stride) {
        using X = decltype(dtype);
        const X *x = args.x.at<X>(task), *dy = args.dy.at<X>(task);
        X *dx = args.dx.at<X>(task);
        float *gradients = gradients_of(args, desc, task.chunk);
        if (task.first_in_chunk) memset(gradients, 0, kRows * desc.channels * sizeof *gradients);
        for (int64_t c = 0; c < desc.channels; c += kLanes) {
            for (int64_t h = 0; h < desc.height; h++)
                for_tiles(desc.width, [&](int64_t w, auto size) {
                    backward_tile<stride.value, size.value>(desc, dy + c, packed_weight(args) + c, h, w,
                                                            dx + (h * desc.width + w) * desc.channels + c);
                });
            f32x16 sums[kRows];
            for (int row = 0; row < kRows; row++) sums[row] = load(gradients + row * desc.channels + c);
            for (int64_t h = 0; h < desc.out_height(); h++)
                for_tiles(desc.out_width(), [&](int64_t w, auto size) {
                    gradient_tile<stride.value, size.value>(
                        desc, x + c, dy + (h * desc.out_width() + w) * desc.channels + c, h, w, sums);
                });
            for (int row = 0; row < kRows; row++) store(gradients + row * desc.channels + c, sums[row]);
        }
    });
}

void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    dispatch(args, [&](const DepthwiseDesc &desc, auto, auto) {
        const int64_t vectors = desc.channels / kLanes;
        for (int64_t c = part.begin(vectors) * kLanes; c < part.end(vectors) * kLanes; c += kLanes)
            for (int64_t row = 0; row < kRows; row++) {
                f32x16 sum = {};
                for (int64_t chunk = 0; chunk < num_chunks(desc.num_images); chunk++)
                    sum += load(gradients_of(args, desc, chunk) + row * desc.channels + c);
                if (row == kTaps) {
                    store(args.gradients[1] + c, sum);
                    continue;
                }
                float *to = args.gradients[0] + row / 3 * desc.weight_strides[1] + row % 3 * desc.weight_strides[2];
                for (int lane = 0; lane < kLanes; lane++) to[(c + lane) * desc.weight_strides[0]] = sum[lane];
            }
    });
}

}  // namespace

extern "C" {
extern const Kernel depthwise_forward = {pack_weight, forward, nullptr, nullptr, nullptr};
extern const Kernel depthwise_backward = {pack_weight, backward, nullptr, nullptr, sum_parameter_gradients};

int64_t sizeof_DepthwiseDesc() { return sizeof(DepthwiseDesc); }

// Enough for either direction.
int64_t depthwise_workspace_bytes(const DepthwiseDesc *desc) {
    return (kTaps + num_chunks(desc->num_images) * kRows) * desc->channels * (int64_t)sizeof(float);
}
}
