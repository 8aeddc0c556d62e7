// 3x3 and 1x1 convolutions between 16 or 32 channels, in bfloat16 with float32 sums: y = weight * x + bias.
//
// Forward and backward-data (dx) are one micro-kernel with other weights. The weight gradient (dW) has its own.
#include "conv.h"

extern "C" {

int has_conv() {  // whether this build has kernels for conv and stem
#ifdef __AVX512BF16__
    return 1;
#else
    return 0;
#endif
}

int64_t sizeof_ConvDesc() { return sizeof(ConvDesc); }
}

#ifdef __AVX512BF16__
namespace {

// An image as rows of pixels: the image's own rows for 3x3, one row of all pixels for 1x1.
struct Rows {
    int64_t count, width;
    int64_t dy_pairs;  // VNNI pairs of pixels that dW takes from a row of dY: pixels (0, 1), (2, 3), ...
    int64_t x_pairs;   // and from a row of X; for 3x3: (-1, 0), (0, 1), (1, 2), ...

    explicit Rows(const ConvDesc &desc) {
        count = desc.kernel_size == 3 ? desc.height : 1;
        width = desc.kernel_size == 3 ? desc.width : desc.pixels();
        dy_pairs = (width + 1) / 2;
        x_pairs = desc.kernel_size == 3 ? 2 * dy_pairs + 1 : dy_pairs;
    }
    // Packed X and dY of an image.
    int64_t packed_count(const ConvDesc &desc) const {
        return count * 2 * (x_pairs * desc.in_channels + dy_pairs * desc.out_channels);
    }
};

// Forward micro-kernel: pixels w to w + T of row h, V x 16 output channels, CI input channels, a K x K filter. A pair
// of input channels of a pixel is broadcast once and used for the K outputs of the row next to it. With V = 1 there are
// two partial sums (S) of each output: a single one would wait for the latency of its own last step.
template <int CI, int V, int K, int T>
inline void forward_tile(const Rows &rows, int64_t h, int64_t w, const BF16 *x, const BF16 *weights, const float *bias,
                         BF16 *y) {
    constexpr int S = 2 / V;
    __m512 sum[S][T][V];
    UNROLLED for (int t = 0; t < T; t++)
        UNROLLED for (int v = 0; v < V; v++) {
            sum[0][t][v] = _mm512_loadu_ps(bias + v * kLanes);
            if (S == 2) sum[S - 1][t][v] = _mm512_setzero_ps();
        }
    const int first = h < K / 2 ? 1 : 0, last = h + K / 2 < rows.count ? K : K - 1;
    for (int ky = first; ky < last; ky++) {
        const BF16 *row = x + ((h + ky - K / 2) * rows.width + w) * CI;
        const BF16 *filter_row = weights + ky * (CI / 2) * K * V * kPairs;
        const BF16 *left = w == 0 ? kZeros : row - CI, *right = w + T == rows.width ? kZeros : row + T * CI;
        for (int c = 0; c < CI; c += 2 * S) {
            UNROLLED for (int s = 0; s < S; s++) {
                __m512bh filter[K][V];
                UNROLLED for (int kx = 0; kx < K; kx++)
                    UNROLLED for (int v = 0; v < V; v++)
                        filter[kx][v] = load_pairs(filter_row + (kx * V + v) * kPairs);
                filter_row += K * V * kPairs;
                UNROLLED for (int j = -(K / 2); j < T + K / 2; j++) {
                    const __m512bh pair = broadcast_pair((j < 0 ? left : j == T ? right : row + j * CI) + c + 2 * s);
                    UNROLLED for (int kx = 0; kx < K; kx++) {
                        const int t = j + K / 2 - kx;
                        if (t < 0 || t >= T) continue;
                        UNROLLED for (int v = 0; v < V; v++)
                            sum[s][t][v] = _mm512_dpbf16_ps(sum[s][t][v], pair, filter[kx][v]);
                    }
                }
            }
        }
    }
    y += (h * rows.width + w) * V * kLanes;
    UNROLLED for (int t = 0; t < T; t++)
        if (V == 2) {
            const auto rounded = _mm512_cvtne2ps_pbh(sum[0][t][V - 1], sum[0][t][0]);
            memcpy(y + t * V * kLanes, &rounded, sizeof rounded);
        } else {
            const auto rounded = _mm512_cvtneps_pbh(_mm512_add_ps(sum[0][t][0], sum[S - 1][t][0]));
            memcpy(y + t * V * kLanes, &rounded, sizeof rounded);
        }
}

template <int CI, int V, int K>
void convolve_image(const Rows &rows, const BF16 *x, const BF16 *weights, const float *bias, BF16 *y) {
    constexpr int T = 8;
    for (int64_t h = 0; h < rows.count; h++) {
        int64_t w = 0;
        for (; w + T <= rows.width; w += T) forward_tile<CI, V, K, T>(rows, h, w, x, weights, bias, y);
        for (; w < rows.width; w++) forward_tile<CI, V, K, 1>(rows, h, w, x, weights, bias, y);
    }
}

// Packs the weight as forward_tile reads it: [ky][in_channels / 2][kx][out_channels][2]. For backward-data the filters
// are rotated by 180 degrees, and in and out channels are swapped. All threads call this together.
void pack_weight(const ConvDesc &desc, bool backward_data, const float *weight, BF16 *to) {
    const int64_t size = desc.kernel_size, in = backward_data ? desc.out_channels : desc.in_channels;
    const int64_t out = backward_data ? desc.in_channels : desc.out_channels;
    const int64_t in_stride = desc.strides[backward_data ? 0 : 1], out_stride = desc.strides[backward_data ? 1 : 0];
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < size * (in / 2); row++) {
        const int64_t ky = row / (in / 2), c = row % (in / 2) * 2;
        for (int64_t kx = 0; kx < size; kx++) {
            const int64_t from_y = backward_data ? size - 1 - ky : ky, from_x = backward_data ? size - 1 - kx : kx;
            const float *from = weight + from_y * desc.strides[2] + from_x * desc.strides[3] + c * in_stride;
            BF16 *pairs = to + (row * size + kx) * out * 2;
            for (int64_t o = 0; o < out; o++) {
                pairs[2 * o] = to_bf16(from[o * out_stride]);
                pairs[2 * o + 1] = to_bf16(from[o * out_stride + in_stride]);
            }
        }
    }
}

// Weight-gradient micro-kernel: for C output channels and all V x 16 input channels, adds the sum over pixels of dY X
// to sums [kx][out_channels][in_channels]. Pairs of pixels are the VNNI pairs: dY's is broadcast, X's has a lane an
// input channel. x: packed rows, x_stride apart. dy: packed rows from the first of the C channels on, one after the
// other.
template <int V, int K, int C>
inline void wgrad_block(const BF16 *x, int64_t x_stride, const BF16 *dy, int64_t num_rows, int64_t dy_pairs,
                        int64_t out_channels, float *sums) {
    constexpr int CI = V * kLanes;
    const auto at = [&](int c, int kx, int v) { return sums + (kx * out_channels + c) * CI + v * kLanes; };
    __m512 sum[C][K][V];
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int kx = 0; kx < K; kx++)
            UNROLLED for (int v = 0; v < V; v++) sum[c][kx][v] = _mm512_loadu_ps(at(c, kx, v));
    for (int64_t h = 0; h < num_rows; h++) {
        const BF16 *row = x + h * x_stride;
        for (int64_t i = 0; i < dy_pairs; i++, dy += 2 * out_channels, row += (K == 3 ? 2 : 1) * 2 * CI) {
            __m512bh inputs[K][V];
            UNROLLED for (int kx = 0; kx < K; kx++)
                UNROLLED for (int v = 0; v < V; v++) inputs[kx][v] = load_pairs(row + kx * 2 * CI + v * kPairs);
            UNROLLED for (int c = 0; c < C; c++) {
                const __m512bh pair = broadcast_pair(dy + 2 * c);
                UNROLLED for (int kx = 0; kx < K; kx++)
                    UNROLLED for (int v = 0; v < V; v++)
                        sum[c][kx][v] = _mm512_dpbf16_ps(sum[c][kx][v], inputs[kx][v], pair);
            }
        }
    }
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int kx = 0; kx < K; kx++)
            UNROLLED for (int v = 0; v < V; v++) _mm512_storeu_ps(at(c, kx, v), sum[c][kx][v]);
}

// Adds an image's gradients of weight and bias to sums: [ky][kx][out_channels][in_channels], then [out_channels].
template <int CI, int CO, int K>
void add_parameter_gradients(const Rows &rows, const BF16 *x, const BF16 *dy, BF16 *packed, float *sums) {
    constexpr int V = CI / kLanes, U = CO / kLanes, C = (K == 3 ? 8 : 16) / V;
    const int64_t x_stride = rows.x_pairs * 2 * CI, dy_stride = rows.dy_pairs * 2 * CO;
    BF16 *packed_x = packed, *packed_dy = packed + rows.count * x_stride;
    for (int64_t h = 0; h < rows.count; h++) {
        pack_pixel_pairs<V>(x + h * rows.width * CI, rows.width, -(K / 2), K == 3 ? 1 : 2, rows.x_pairs,
                            packed_x + h * x_stride);
        pack_pixel_pairs<U>(dy + h * rows.width * CO, rows.width, 0, 2, rows.dy_pairs, packed_dy + h * dy_stride);
    }
    add_bias_gradient<U>(packed_dy, rows.count * rows.dy_pairs, sums + K * K * CO * CI);
    for (int ky = 0; ky < K; ky++) {
        const int64_t first = ky < K / 2 ? 1 : 0, last = rows.count - (ky > K / 2 ? 1 : 0);
        for (int64_t c = 0; c < CO; c += C)
            wgrad_block<V, K, C>(packed_x + (first + ky - K / 2) * x_stride, x_stride,
                                 packed_dy + first * dy_stride + 2 * c, last - first, rows.dy_pairs, CO,
                                 sums + (ky * K * CO + c) * CI);
    }
}

// Instantiates `call` for the numbers of channels and the filter size, so that the micro-kernels unroll.
template <class Call>
void dispatch(const ConvDesc &desc, const Call &call) {
    const auto with_size = [&](auto in, auto out) {
        switch (desc.kernel_size) {
            case 1: return call(in, out, Constant<1>{});
            case 3: return call(in, out, Constant<3>{});
        }
        unsupported("conv", "filter size", desc.kernel_size);
    };
    const auto with_out = [&](auto in) {
        switch (desc.out_channels) {
            case 16: return with_size(in, Constant<16>{});
            case 32: return with_size(in, Constant<32>{});
        }
        unsupported("conv", "number of output channels", desc.out_channels);
    };
    switch (desc.in_channels) {
        case 16: return with_out(Constant<16>{});
        case 32: return with_out(Constant<32>{});
    }
    unsupported("conv", "number of input channels", desc.in_channels);
}

// The workspace of the backward pass: the gradients of weight and bias of each chunk, and the weight packed for
// backward-data.
struct Workspace {
    float *of_chunks;
    BF16 *packed_weight;

    Workspace(const ConvDesc &desc, char *begin)
        : of_chunks((float *)begin),
          packed_weight((BF16 *)(of_chunks + num_chunks(desc.num_images) * desc.gradient_count())) {}
};

void refuse_unsupported(const ConvDesc &desc) {
    dispatch(desc, [](auto, auto, auto) {});
}

void pack_forward(const OpArgs &args) {
    refuse_unsupported(conv_desc(args));
    pack_weight(conv_desc(args), false, args.parameters[0], (BF16 *)args.workspace);
}

void forward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = conv_desc(args);
    dispatch(desc, [&](auto in, auto out, auto size) {
        convolve_image<in.value, out.value / kLanes, size.value>(Rows(desc), args.x.at<BF16>(task),
                                                                 (const BF16 *)args.workspace, args.parameters[1],
                                                                 args.y.at<BF16>(task));
    });
}

void pack_backward(const OpArgs &args) {
    const ConvDesc &desc = conv_desc(args);
    refuse_unsupported(desc);
    pack_weight(desc, true, args.parameters[0], Workspace(desc, args.workspace).packed_weight);
}

void backward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = conv_desc(args);
    const Workspace workspace(desc, args.workspace);
    float *gradients = workspace.of_chunks + task.chunk * desc.gradient_count();
    if (task.first_in_chunk) memset(gradients, 0, desc.gradient_count() * sizeof *gradients);
    dispatch(desc, [&](auto in, auto out, auto size) {
        const Rows rows(desc);
        convolve_image<out.value, in.value / kLanes, size.value>(
            rows, args.dy.at<BF16>(task), workspace.packed_weight, kNoBias, args.dx.at<BF16>(task));
        add_parameter_gradients<in.value, out.value, size.value>(rows, args.x.at<BF16>(task), args.dy.at<BF16>(task),
                                                                 args.thread_workspace.at<BF16>(task), gradients);
    });
}

void sum_parameter_gradients(const OpArgs &args) {
    const ConvDesc &desc = conv_desc(args);
    const int64_t in = desc.in_channels, out = desc.out_channels, size = desc.kernel_size;
    const float *of_chunks = Workspace(desc, args.workspace).of_chunks;
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < size * size * out; row++) {
        const int64_t ky = row / out / size, kx = row / out % size, o = row % out;
        float *to = args.gradients[0] + o * desc.strides[0] + ky * desc.strides[2] + kx * desc.strides[3];
        for (int64_t c = 0; c < in; c += kLanes)
            store_strided(to + c * desc.strides[1], desc.strides[1],
                          sum_chunks(desc, of_chunks + row * in + c, desc.gradient_count()));
    }
#pragma omp for schedule(static) nowait
    for (int64_t o = 0; o < out; o += kLanes)
        store_strided(args.gradients[1] + o, 1,
                      sum_chunks(desc, of_chunks + desc.weight_count() + o, desc.gradient_count()));
}

}  // namespace

extern "C" {

// Enough for either direction.
int64_t conv_workspace_bytes(const ConvDesc *desc) {
    const Workspace workspace(*desc, nullptr);
    return (const char *)(workspace.packed_weight + desc->weight_count()) - (const char *)workspace.of_chunks;
}

int64_t conv_thread_workspace_bytes(const ConvDesc *desc) { return Rows(*desc).packed_count(*desc) * sizeof(BF16); }

extern const Kernel conv_forward = {pack_forward, forward, nullptr, nullptr, nullptr};
extern const Kernel conv_backward = {pack_backward, backward, nullptr, nullptr, sum_parameter_gradients};
}
#endif
