// Convolutions in bfloat16 with sums in float32: 3x3 or 1x1, between 16 or 32 channels.
#include "conv.h"

extern "C" int has_conv() {
#ifdef __AVX512BF16__
    return 1;
#else
    return 0;
#endif
}

#ifdef __AVX512BF16__
namespace {

// How the images of a layer are cut: 3x3 needs the rows, 1x1 takes an image for one long row.
// `pairs` and `slots` of a row are what the weight gradient takes of y and x.
struct Cut {
    int64_t rows, width, pairs, slots;

    explicit Cut(const Conv &conv) {
        rows = conv.size == 3 ? conv.height : 1;
        width = conv.size == 3 ? conv.width : conv.pixels();
        pairs = (width + 1) / 2;
        slots = conv.size == 3 ? 2 * pairs + 1 : pairs;
    }
    int64_t scratch(const Conv &conv) const { return rows * 2 * (slots * conv.inputs + pairs * conv.outputs); }
};

// T neighbouring pixels of row h from w on, V vectors of output channels. A pixel of x is read once for the three
// outputs it is next to. Two partial sums (S) where a single one of each would too often wait for itself.
template <int CI, int V, int K, int T>
inline void tile(const Cut &cut, int64_t h, int64_t w, const BF16 *x, const BF16 *weights, const float *bias, BF16 *y) {
    constexpr int S = 2 / V;
    __m512 sum[S][T][V];
    UNROLLED for (int t = 0; t < T; t++)
        UNROLLED for (int v = 0; v < V; v++) {
            sum[0][t][v] = _mm512_loadu_ps(bias + v * kLanes);
            if (S == 2) sum[S - 1][t][v] = _mm512_setzero_ps();
        }
    const int first = h < K / 2 ? 1 : 0, last = h + K / 2 < cut.rows ? K : K - 1;
    for (int ky = first; ky < last; ky++) {
        const BF16 *at = x + ((h + ky - K / 2) * cut.width + w) * CI, *from = weights + ky * (CI / 2) * K * V * kSlot;
        const BF16 *before = w == 0 ? kZeros : at - CI, *behind = w + T == cut.width ? kZeros : at + T * CI;
        for (int c = 0; c < CI; c += 2 * S) {
            UNROLLED for (int s = 0; s < S; s++) {
                __m512bh filter[K][V];
                UNROLLED for (int kx = 0; kx < K; kx++)
                    UNROLLED for (int v = 0; v < V; v++) filter[kx][v] = load(from + (kx * V + v) * kSlot);
                from += K * V * kSlot;
                UNROLLED for (int j = -(K / 2); j < T + K / 2; j++) {
                    const __m512bh pair = spread((j < 0 ? before : j == T ? behind : at + j * CI) + c + 2 * s);
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
    y += (h * cut.width + w) * V * kLanes;
    UNROLLED for (int t = 0; t < T; t++)
        if (V == 2) {
            const auto halves = _mm512_cvtne2ps_pbh(sum[0][t][V - 1], sum[0][t][0]);
            memcpy(y + t * V * kLanes, &halves, sizeof halves);
        } else {
            const auto halves = _mm512_cvtneps_pbh(_mm512_add_ps(sum[0][t][0], sum[S - 1][t][0]));
            memcpy(y + t * V * kLanes, &halves, sizeof halves);
        }
}

template <int CI, int V, int K>
void image_forward(const Cut &cut, const BF16 *x, const BF16 *weights, const float *bias, BF16 *y) {
    constexpr int T = 8;
    for (int64_t h = 0; h < cut.rows; h++) {
        int64_t w = 0;
        for (; w + T <= cut.width; w += T) tile<CI, V, K, T>(cut, h, w, x, weights, bias, y);
        for (; w < cut.width; w++) tile<CI, V, K, 1>(cut, h, w, x, weights, bias, y);
    }
}

// Weights as the tiles read them: [size][inputs / 2][size][outputs][2]; for the way back, turned by half a circle and
// with inputs and outputs exchanged.
void pack(const Conv &conv, bool back, const float *weight, BF16 *to) {
    const int64_t size = conv.size, from = back ? conv.outputs : conv.inputs, out = back ? conv.inputs : conv.outputs;
    const int64_t from_step = conv.strides[back ? 0 : 1], out_step = conv.strides[back ? 1 : 0];
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < size * (from / 2); row++) {
        const int64_t ky = row / (from / 2), c = row % (from / 2) * 2;
        for (int64_t kx = 0; kx < size; kx++) {
            const int64_t at_y = back ? size - 1 - ky : ky, at_x = back ? size - 1 - kx : kx;
            const float *at = weight + at_y * conv.strides[2] + at_x * conv.strides[3] + c * from_step;
            BF16 *pairs = to + (row * size + kx) * out * 2;
            for (int64_t o = 0; o < out; o++) {
                pairs[2 * o] = rounded(at[o * out_step]);
                pairs[2 * o + 1] = rounded(at[o * out_step + from_step]);
            }
        }
    }
}

// Adds to C of the outputs' rows of `sums` [outputs][inputs] for each kx: sums over pairs of pixels, of which y gives
// one output for all lanes and x all inputs. x: rows of slots, `x_row` apart; for 3x3 there is one for each pixel and
// the next. d: slots of y, one for each two pixels.
template <int V, int K, int C>
inline void block(const BF16 *x, int64_t x_row, const BF16 *d, int64_t rows, int64_t pairs, int64_t outputs,
                  float *sums) {
    constexpr int CI = V * kLanes;
    const auto place = [&](int c, int kx, int v) { return sums + (kx * outputs + c) * CI + v * kLanes; };
    __m512 sum[C][K][V];
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int kx = 0; kx < K; kx++)
            UNROLLED for (int v = 0; v < V; v++) sum[c][kx][v] = _mm512_loadu_ps(place(c, kx, v));
    for (int64_t h = 0; h < rows; h++) {
        const BF16 *at = x + h * x_row;
        for (int64_t i = 0; i < pairs; i++, d += 2 * outputs, at += (K == 3 ? 2 : 1) * 2 * CI) {
            __m512bh slot[K][V];
            UNROLLED for (int kx = 0; kx < K; kx++)
                UNROLLED for (int v = 0; v < V; v++) slot[kx][v] = load(at + kx * 2 * CI + v * kSlot);
            UNROLLED for (int c = 0; c < C; c++) {
                const __m512bh pair = spread(d + 2 * c);
                UNROLLED for (int kx = 0; kx < K; kx++)
                    UNROLLED for (int v = 0; v < V; v++)
                        sum[c][kx][v] = _mm512_dpbf16_ps(sum[c][kx][v], slot[kx][v], pair);
            }
        }
    }
    UNROLLED for (int c = 0; c < C; c++)
        UNROLLED for (int kx = 0; kx < K; kx++)
            UNROLLED for (int v = 0; v < V; v++) _mm512_storeu_ps(place(c, kx, v), sum[c][kx][v]);
}

// Adds an image to `sums`, [size][size][outputs][inputs] and then [outputs].
template <int CI, int CO, int K>
void image_weights(const Cut &cut, const BF16 *x, const BF16 *d_y, BF16 *scratch, float *sums) {
    constexpr int V = CI / kLanes, U = CO / kLanes, C = (K == 3 ? 8 : 16) / V;
    const int64_t x_row = cut.slots * 2 * CI, d_row = cut.pairs * 2 * CO;
    BF16 *x_slots = scratch, *d_slots = scratch + cut.rows * x_row;
    for (int64_t h = 0; h < cut.rows; h++) {
        interleave<V>(x + h * cut.width * CI, cut.width, -(K / 2), K == 3 ? 1 : 2, cut.slots, x_slots + h * x_row);
        interleave<U>(d_y + h * cut.width * CO, cut.width, 0, 2, cut.pairs, d_slots + h * d_row);
    }
    add_outputs<U>(d_slots, cut.rows * cut.pairs, sums + K * K * CO * CI);
    for (int ky = 0; ky < K; ky++) {
        const int64_t first = ky < K / 2 ? 1 : 0, last = cut.rows - (ky > K / 2 ? 1 : 0);
        for (int64_t c = 0; c < CO; c += C)
            block<V, K, C>(x_slots + (first + ky - K / 2) * x_row, x_row, d_slots + first * d_row + 2 * c,
                           last - first, cut.pairs, CO, sums + (ky * K * CO + c) * CI);
    }
}

template <class Call>
void dispatch(const Conv &conv, const Call &call) {
    const auto with = [&](auto inputs, auto outputs) {
        if (conv.size == 3)
            call(inputs, outputs, Constant<3>{});
        else
            call(inputs, outputs, Constant<1>{});
    };
    if (conv.inputs == 16 && conv.outputs == 16) with(Constant<16>{}, Constant<16>{});
    if (conv.inputs == 16 && conv.outputs == 32) with(Constant<16>{}, Constant<32>{});
    if (conv.inputs == 32 && conv.outputs == 16) with(Constant<32>{}, Constant<16>{});
    if (conv.inputs == 32 && conv.outputs == 32) with(Constant<32>{}, Constant<32>{});
}

// Where the numbers of the backward pass stand in scratch: the sums of each part of the images, and the weights for the
// way back.
struct Scratch {
    int64_t size;  // of a part
    float *sums;
    BF16 *packed;

    Scratch(const Conv &conv, char *scratch)
        : size(conv.weights() + conv.outputs), sums((float *)scratch), packed((BF16 *)(sums + conv.parts() * size)) {}
};

void prepare_forward(const Work &work) { pack(conv_of(work), false, work.parameters[0], (BF16 *)work.scratch); }

void forward(const Work &work, const Place &at) {
    const Conv &conv = conv_of(work);
    dispatch(conv, [&](auto inputs, auto outputs, auto size) {
        image_forward<inputs.value, outputs.value / kLanes, size.value>(
            Cut(conv), work.x.at<BF16>(at), (const BF16 *)work.scratch, work.parameters[1], work.y.at<BF16>(at));
    });
}

void prepare_backward(const Work &work) {
    const Conv &conv = conv_of(work);
    pack(conv, true, work.parameters[0], Scratch(conv, work.scratch).packed);
}

void backward(const Work &work, const Place &at) {
    const Conv &conv = conv_of(work);
    const Scratch scratch(conv, work.scratch);
    float *sums = scratch.sums + at.part * scratch.size;
    if (at.is_first) memset(sums, 0, scratch.size * sizeof *sums);
    dispatch(conv, [&](auto inputs, auto outputs, auto size) {
        const Cut cut(conv);
        image_forward<outputs.value, inputs.value / kLanes, size.value>(cut, work.d_y.at<BF16>(at), scratch.packed,
                                                                        kNoBias, work.d_x.at<BF16>(at));
        image_weights<inputs.value, outputs.value, size.value>(cut, work.x.at<BF16>(at), work.d_y.at<BF16>(at),
                                                               work.shared.at<BF16>(at), sums);
    });
}

void sum_parameters(const Work &work) {
    const Conv &conv = conv_of(work);
    const Scratch scratch(conv, work.scratch);
    const int64_t inputs = conv.inputs, outputs = conv.outputs, size = conv.size;
    const float *sums = scratch.sums;
#pragma omp for schedule(static) nowait
    for (int64_t row = 0; row < size * size * outputs; row++) {
        const int64_t ky = row / outputs / size, kx = row / outputs % size, o = row % outputs;
        float *to = work.gradients[0] + o * conv.strides[0] + ky * conv.strides[2] + kx * conv.strides[3];
        for (int64_t c = 0; c < inputs; c += kLanes)
            scatter(to + c * conv.strides[1], conv.strides[1],
                    total(sums + row * inputs + c, conv.parts(), scratch.size));
    }
#pragma omp for schedule(static) nowait
    for (int64_t o = 0; o < outputs; o += kLanes)
        scatter(work.gradients[1] + o, 1, total(sums + conv.weights() + o, conv.parts(), scratch.size));
}

}  // namespace

extern "C" {

int64_t conv_scratch(const Conv *conv) {  // in bytes
    const Scratch scratch(*conv, nullptr);
    return (const char *)(scratch.packed + conv->weights()) - (const char *)scratch.sums;
}

int64_t conv_shared(const Conv *conv) { return Cut(*conv).scratch(*conv) * sizeof(BF16); }

extern const Kernel conv_forward = {prepare_forward, forward, nullptr, nullptr, nullptr};
extern const Kernel conv_backward = {prepare_backward, backward, nullptr, nullptr, sum_parameters};
}
#endif
