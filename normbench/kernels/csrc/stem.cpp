// The first convolution of a network, in bfloat16 with sums in float32: 3x3, from the 3 colours of float32 images, of
// which no gradient is needed, to 16 channels.
#include "conv.h"

#ifdef __AVX512BF16__
namespace {

constexpr int kColours = 3;
constexpr int kPairs = 5;  // of the 9 numbers in a row of 3x3 pixels; the tenth has weight 0

// A thread's scratch: the slots of an image's outputs; the image with a border of zeros, [pixels][colours]; the same
// with rows [colours][pixels].
struct Stem {
    int64_t height, width, row, plane, pairs;

    explicit Stem(const Conv &conv)
        : height(conv.height + 2), width(conv.width + 2), row(width * kColours), plane(width + 1),
          pairs((conv.width + 1) / 2) {}

    int64_t image() const { return height * row + 2 * kSlot; }  // the end is read beyond
    int64_t planes() const { return height * kColours * plane; }
    int64_t slots() const { return (height - 2) * pairs * kSlot; }
    int64_t scratch() const { return (slots() + image() + planes() + kSlot - 1) / kSlot * kSlot; }
};

// An image with its border of zeros. What stands there before must be zeros at the borders and behind the end.
inline void copy_image(const Conv &conv, const float *x, BF16 *to) {
    const Stem stem(conv);
    const int64_t count = conv.width * kColours;
    for (int64_t h = 0; h < conv.height; h++) {
        const float *from = x + h * count;
        BF16 *row = to + (h + 1) * stem.row + kColours;
        for (int64_t i = 0; i < count; i += kLanes) {
            const __mmask16 in = count - i < kLanes ? (1u << (count - i)) - 1 : 0xffff;
            const auto halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(in, from + i));
            __m256i bits;
            memcpy(&bits, &halves, sizeof bits);
            _mm256_mask_storeu_epi16(row + i, in, bits);
        }
    }
}

// A row [pixels][colours] as [colours][pixels], these at a distance of `step`.
inline void split_colours(const BF16 *row, int64_t pixels, BF16 *planes, int64_t step) {
    alignas(64) static const uint16_t kThird[32] = {0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45};
    for (int64_t w = 0; w < pixels; w += kLanes) {
        const BF16 *from = row + w * kColours;
        const __m512i first = _mm512_loadu_si512(from), second = _mm512_loadu_si512(from + kSlot);
        const __mmask16 in = pixels - w < kLanes ? (1u << (pixels - w)) - 1 : 0xffff;
        for (int c = 0; c < kColours; c++) {
            const __m512i index = _mm512_add_epi16(_mm512_load_si512(kThird), _mm512_set1_epi16(c));
            const __m512i plane = _mm512_permutex2var_epi16(first, index, second);
            _mm256_mask_storeu_epi16(planes + c * step + w, in, _mm512_castsi512_si256(plane));
        }
    }
}

// Weights as [3][5][16][2].
inline void pack(const Conv &conv, const float *weight, BF16 *to) {
    for (int64_t i = 0; i < 3 * kPairs * kSlot; i++) {
        const int64_t ky = i / (kPairs * kSlot), at = i / kSlot % kPairs * 2 + i % 2;
        const int64_t o = i / 2 % kLanes, kx = at / kColours, c = at % kColours;
        to[i] = kx == 3 ? 0
                        : rounded(weight[o * conv.strides[0] + c * conv.strides[1] + ky * conv.strides[2] +
                                         kx * conv.strides[3]]);
    }
}

template <int T>
inline void tile(const BF16 *image, int64_t row, const BF16 *weights, __m512 bias, BF16 *y) {
    __m512 sum[T];
    UNROLLED for (int t = 0; t < T; t++) sum[t] = bias;
    UNROLLED for (int ky = 0; ky < 3; ky++)
        UNROLLED for (int i = 0; i < kPairs; i++) {
            const __m512bh filter = load(weights + (ky * kPairs + i) * kSlot);
            const BF16 *at = image + ky * row + 2 * i;
            UNROLLED for (int t = 0; t < T; t++) sum[t] = add_spread(sum[t], filter, at + t * kColours);
        }
    UNROLLED for (int t = 0; t < T; t++) {
        const auto halves = _mm512_cvtneps_pbh(sum[t]);
        memcpy(y + t * kLanes, &halves, sizeof halves);
    }
}

// Adds an image to `sums`, [3][3][colours][16]. planes: [rows][colours][plane].
inline void block(const BF16 *planes, int64_t plane, const BF16 *d, int64_t rows, int64_t pairs,
                       float *sums) {
    __m512 sum[3][3][kColours];
    UNROLLED for (int i = 0; i < 27; i++) sum[i / 9][i / 3 % 3][i % 3] = _mm512_loadu_ps(sums + i * kLanes);
    for (int64_t h = 0; h < rows; h++) {
        const BF16 *at = planes + h * kColours * plane;
        for (int64_t i = 0; i < pairs; i++, d += kSlot, at += 2) {
            const __m512bh outputs = load(d);
            UNROLLED for (int ky = 0; ky < 3; ky++)
                UNROLLED for (int kx = 0; kx < 3; kx++)
                    UNROLLED for (int c = 0; c < kColours; c++)
                        sum[ky][kx][c] =
                            add_spread(sum[ky][kx][c], outputs, at + (ky * kColours + c) * plane + kx);
        }
    }
    UNROLLED for (int i = 0; i < 27; i++) _mm512_storeu_ps(sums + i * kLanes, sum[i / 9][i / 3 % 3][i % 3]);
}

// Where the numbers stand in scratch: the weights; the sums of each part of the images.
struct Scratch {
    int64_t size;  // of a part
    BF16 *weights;
    float *sums;

    Scratch(const Conv &conv, char *scratch)
        : size(conv.weights() + kLanes), weights((BF16 *)scratch), sums((float *)(weights + 3 * kPairs * kSlot)) {}
};

void prepare(const Work &work) {
    const Conv &conv = conv_of(work);
#pragma omp single nowait
    pack(conv, work.parameters[0], Scratch(conv, work.scratch).weights);
}

void forward(const Work &work, const Place &at) {
    constexpr int T = 16;
    const Conv &conv = conv_of(work);
    const Stem stem(conv);
    const BF16 *weights = Scratch(conv, work.scratch).weights;
    const __m512 bias = _mm512_loadu_ps(work.parameters[1]);
    BF16 *image = work.shared.at<BF16>(at);
    memset(image, 0, stem.image() * sizeof *image);
    copy_image(conv, work.x.at<float>(at), image);
    for (int64_t h = 0; h < conv.height; h++) {
        const BF16 *from = image + h * stem.row;
        BF16 *to = work.y.at<BF16>(at) + h * conv.width * kLanes;
        int64_t w = 0;
        for (; w + T <= conv.width; w += T) tile<T>(from + w * kColours, stem.row, weights, bias, to + w * kLanes);
        for (; w < conv.width; w++) tile<1>(from + w * kColours, stem.row, weights, bias, to + w * kLanes);
    }
}

// The gradient of x is not computed.
void backward(const Work &work, const Place &at) {
    const Conv &conv = conv_of(work);
    const Stem stem(conv);
    const Scratch scratch(conv, work.scratch);
    BF16 *slots = work.shared.at<BF16>(at), *image = slots + stem.slots(), *planes = image + stem.image();
    float *sums = scratch.sums + at.part * scratch.size;
    if (at.is_first) memset(sums, 0, scratch.size * sizeof *sums);
    memset(image, 0, (stem.image() + stem.planes()) * sizeof *image);
    copy_image(conv, work.x.at<float>(at), image);
    for (int64_t h = 1; h <= conv.height; h++)
        split_colours(image + h * stem.row, stem.width, planes + h * kColours * stem.plane, stem.plane);
    for (int64_t h = 0; h < conv.height; h++)
        interleave<1>(work.d_y.at<BF16>(at) + h * conv.width * kLanes, conv.width, 0, 2, stem.pairs,
                      slots + h * stem.pairs * kSlot);
    add_outputs<1>(slots, conv.height * stem.pairs, sums + conv.weights());
    block(planes, stem.plane, slots, conv.height, stem.pairs, sums);
}

void sum_parameters(const Work &work) {
    const Conv &conv = conv_of(work);
    const Scratch scratch(conv, work.scratch);
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < 9 * kColours + 1; row++) {
        const __m512 values = total(scratch.sums + row * kLanes, conv.parts(), scratch.size);
        const int64_t ky = row / 9, kx = row / 3 % 3, c = row % 3;
        if (row == 9 * kColours)
            scatter(work.gradients[1], 1, values);
        else
            scatter(work.gradients[0] + c * conv.strides[1] + ky * conv.strides[2] + kx * conv.strides[3],
                    conv.strides[0], values);
    }
}

}  // namespace

extern "C" {

int64_t stem_scratch(const Conv *conv) {  // in bytes
    const Scratch scratch(*conv, nullptr);
    return (const char *)(scratch.sums + conv->parts() * scratch.size) - (const char *)scratch.weights;
}

int64_t stem_shared(const Conv *conv) { return Stem(*conv).scratch() * sizeof(BF16); }

extern const Kernel stem_forward = {prepare, forward, nullptr, nullptr, nullptr};
extern const Kernel stem_backward = {nullptr, backward, nullptr, nullptr, sum_parameters};
}
#endif
