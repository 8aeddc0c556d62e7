// The first convolution of a network: 3x3 from the 3 colors of float32 images to 16 channels, in bfloat16 with float32
// sums. The gradient of the images is not computed.
//
// With 3 colors, VNNI pairs of one pixel's channels do not work out. A filter row of 3 pixels is 9 consecutive numbers
// of an image row; with a zero behind them they are 5 pairs, which overlap the pixels.
#include "conv.h"

#ifdef __AVX512BF16__
namespace {

constexpr int kColors = 3;
constexpr int kRowPairs = 5;

// The tensors in the thread workspace, in bfloat16, and their sizes in numbers:
//     packed_dy  [height][dy_pairs][16][2]
//     padded     the image with a border of zeros, [height + 2][width + 2][3]
//     planes     the same by color, [height + 2][3][plane]
struct Layout {
    int64_t height, width;  // with the border
    int64_t row, plane;     // numbers in a row of `padded`, and in a row of a color
    int64_t dy_pairs;       // VNNI pairs of pixels in a row of dY

    explicit Layout(const ConvDesc &desc)
        : height(desc.height + 2), width(desc.width + 2), row(width * kColors), plane(width + 1),
          dy_pairs((desc.width + 1) / 2) {}

    int64_t packed_dy() const { return (height - 2) * dy_pairs * kPairs; }
    int64_t padded() const { return height * row + 2 * kPairs; }  // vector loads read beyond the last row
    int64_t planes() const { return height * kColors * plane; }
    int64_t total() const { return (packed_dy() + padded() + planes() + kPairs - 1) / kPairs * kPairs; }
};

// Rounds an image to bfloat16, into the inside of `padded`. The border must be zeros already.
inline void copy_image(const ConvDesc &desc, const float *x, BF16 *padded) {
    const Layout layout(desc);
    const int64_t count = desc.width * kColors;
    for (int64_t h = 0; h < desc.height; h++) {
        const float *from = x + h * count;
        BF16 *row = padded + (h + 1) * layout.row + kColors;
        for (int64_t i = 0; i < count; i += kLanes) {
            const __mmask16 inside = count - i < kLanes ? (1u << (count - i)) - 1 : 0xffff;
            const auto rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(inside, from + i));
            __m256i bits;
            memcpy(&bits, &rounded, sizeof bits);
            _mm256_mask_storeu_epi16(row + i, inside, bits);
        }
    }
}

// A row [pixels][3] -> [3][stride].
inline void split_colors(const BF16 *row, int64_t pixels, BF16 *planes, int64_t stride) {
    alignas(64) static const uint16_t kEveryThird[32] = {0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45};
    for (int64_t w = 0; w < pixels; w += kLanes) {
        const BF16 *from = row + w * kColors;
        const __m512i first = _mm512_loadu_si512(from), second = _mm512_loadu_si512(from + kPairs);
        const __mmask16 inside = pixels - w < kLanes ? (1u << (pixels - w)) - 1 : 0xffff;
        for (int c = 0; c < kColors; c++) {
            const __m512i index = _mm512_add_epi16(_mm512_load_si512(kEveryThird), _mm512_set1_epi16(c));
            const __m512i plane = _mm512_permutex2var_epi16(first, index, second);
            _mm256_mask_storeu_epi16(planes + c * stride + w, inside, _mm512_castsi512_si256(plane));
        }
    }
}

// Packs the weight: [ky][5 pairs of (kx, color)][16][2].
inline void pack_weight(const ConvDesc &desc, const float *weight, BF16 *to) {
    for (int64_t i = 0; i < 3 * kRowPairs * kPairs; i++) {
        const int64_t ky = i / (kRowPairs * kPairs), at = i / kPairs % kRowPairs * 2 + i % 2;
        const int64_t o = i / 2 % kLanes, kx = at / kColors, c = at % kColors;
        to[i] = kx == 3 ? 0
                        : to_bf16(weight[o * desc.strides[0] + c * desc.strides[1] + ky * desc.strides[2] +
                                         kx * desc.strides[3]]);
    }
}

// Forward micro-kernel: T pixels of a row, 16 output channels. padded: from the upper left corner of the first window.
template <int T>
inline void forward_tile(const BF16 *padded, int64_t row, const BF16 *weights, __m512 bias, BF16 *y) {
    __m512 sum[T];
    UNROLLED for (int t = 0; t < T; t++) sum[t] = bias;
    UNROLLED for (int ky = 0; ky < 3; ky++)
        UNROLLED for (int i = 0; i < kRowPairs; i++) {
            const __m512bh filter = load_pairs(weights + (ky * kRowPairs + i) * kPairs);
            const BF16 *from = padded + ky * row + 2 * i;
            UNROLLED for (int t = 0; t < T; t++) sum[t] = dot_broadcast(sum[t], filter, from + t * kColors);
        }
    UNROLLED for (int t = 0; t < T; t++) {
        const auto rounded = _mm512_cvtneps_pbh(sum[t]);
        memcpy(y + t * kLanes, &rounded, sizeof rounded);
    }
}

// Weight-gradient micro-kernel: adds an image's dY X to sums [ky][kx][color][16]. Pairs of pixels are the VNNI pairs:
// X's is broadcast, from a row of one color; dY's has a lane an output channel.
inline void wgrad_image(const BF16 *planes, int64_t plane, const BF16 *packed_dy, int64_t num_rows, int64_t dy_pairs,
                        float *sums) {
    __m512 sum[3][3][kColors];
    UNROLLED for (int i = 0; i < 27; i++) sum[i / 9][i / 3 % 3][i % 3] = _mm512_loadu_ps(sums + i * kLanes);
    for (int64_t h = 0; h < num_rows; h++) {
        const BF16 *at = planes + h * kColors * plane;
        for (int64_t i = 0; i < dy_pairs; i++, packed_dy += kPairs, at += 2) {
            const __m512bh outputs = load_pairs(packed_dy);
            UNROLLED for (int ky = 0; ky < 3; ky++)
                UNROLLED for (int kx = 0; kx < 3; kx++)
                    UNROLLED for (int c = 0; c < kColors; c++)
                        sum[ky][kx][c] =
                            dot_broadcast(sum[ky][kx][c], outputs, at + (ky * kColors + c) * plane + kx);
        }
    }
    UNROLLED for (int i = 0; i < 27; i++) _mm512_storeu_ps(sums + i * kLanes, sum[i / 9][i / 3 % 3][i % 3]);
}

const ConvDesc &stem_desc(const OpArgs &args) {
    const ConvDesc &desc = conv_desc(args);
    if (desc.in_channels != kColors) unsupported("stem", "number of input channels", desc.in_channels);
    if (desc.out_channels != kLanes) unsupported("stem", "number of output channels", desc.out_channels);
    if (desc.kernel_size != 3) unsupported("stem", "filter size", desc.kernel_size);
    return desc;
}

// The packed weight, then the gradients of weight and bias of each chunk.
struct Workspace {
    BF16 *packed_weight;
    float *of_chunks;

    explicit Workspace(char *begin)
        : packed_weight((BF16 *)begin), of_chunks((float *)(packed_weight + 3 * kRowPairs * kPairs)) {}
};

void pack_forward(const OpArgs &args) {
#pragma omp single nowait
    pack_weight(stem_desc(args), args.parameters[0], Workspace(args.workspace).packed_weight);
}

void forward(const OpArgs &args, const ImageTask &task) {
    constexpr int T = 16;
    const ConvDesc &desc = stem_desc(args);
    const Layout layout(desc);
    const BF16 *weights = Workspace(args.workspace).packed_weight;
    const __m512 bias = _mm512_loadu_ps(args.parameters[1]);
    BF16 *padded = args.thread_workspace.at<BF16>(task);
    memset(padded, 0, layout.padded() * sizeof *padded);
    copy_image(desc, args.x.at<float>(task), padded);
    for (int64_t h = 0; h < desc.height; h++) {
        const BF16 *from = padded + h * layout.row;
        BF16 *to = args.y.at<BF16>(task) + h * desc.width * kLanes;
        int64_t w = 0;
        for (; w + T <= desc.width; w += T)
            forward_tile<T>(from + w * kColors, layout.row, weights, bias, to + w * kLanes);
        for (; w < desc.width; w++) forward_tile<1>(from + w * kColors, layout.row, weights, bias, to + w * kLanes);
    }
}

void backward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = stem_desc(args);
    const Layout layout(desc);
    BF16 *packed_dy = args.thread_workspace.at<BF16>(task);
    BF16 *padded = packed_dy + layout.packed_dy(), *planes = padded + layout.padded();
    float *gradients = Workspace(args.workspace).of_chunks + task.chunk * desc.gradient_count();
    if (task.first_in_chunk) memset(gradients, 0, desc.gradient_count() * sizeof *gradients);
    memset(padded, 0, (layout.padded() + layout.planes()) * sizeof *padded);
    copy_image(desc, args.x.at<float>(task), padded);
    for (int64_t h = 1; h <= desc.height; h++)
        split_colors(padded + h * layout.row, layout.width, planes + h * kColors * layout.plane, layout.plane);
    for (int64_t h = 0; h < desc.height; h++)
        pack_pixel_pairs<1>(args.dy.at<BF16>(task) + h * desc.width * kLanes, desc.width, 0, 2, layout.dy_pairs,
                            packed_dy + h * layout.dy_pairs * kPairs);
    add_bias_gradient<1>(packed_dy, desc.height * layout.dy_pairs, gradients + desc.weight_count());
    wgrad_image(planes, layout.plane, packed_dy, desc.height, layout.dy_pairs, gradients);
}

void sum_parameter_gradients(const OpArgs &args) {
    const ConvDesc &desc = stem_desc(args);
    const float *of_chunks = Workspace(args.workspace).of_chunks;
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < 9 * kColors + 1; row++) {
        const __m512 values = sum_chunks(desc, of_chunks + row * kLanes, desc.gradient_count());
        const int64_t ky = row / 9, kx = row / 3 % 3, c = row % 3;
        if (row == 9 * kColors)  // the bias
            store_strided(args.gradients[1], 1, values);
        else
            store_strided(args.gradients[0] + c * desc.strides[1] + ky * desc.strides[2] + kx * desc.strides[3],
                          desc.strides[0], values);
    }
}

}  // namespace

extern "C" {

// Enough for either direction.
int64_t stem_workspace_bytes(const ConvDesc *desc) {
    const Workspace workspace(nullptr);
    return (const char *)(workspace.of_chunks + num_chunks(desc->num_images) * desc->gradient_count()) -
           (const char *)workspace.packed_weight;
}

int64_t stem_thread_workspace_bytes(const ConvDesc *desc) { return Layout(*desc).total() * sizeof(BF16); }

extern const Kernel stem_forward = {pack_forward, forward, nullptr, nullptr, nullptr};
extern const Kernel stem_backward = {nullptr, backward, nullptr, nullptr, sum_parameter_gradients};
}
#endif
