// Convolutions: y = weight * x + bias, with float32 sums.
//
// Forward and backward-data (dx) are one kernel with other weights. The weight gradient (dW) has its own.
//
// An algorithm computes them. It is a struct with these static members:
//     Number                       the type of packed weights
//     packed_bytes, pack_weight    the weights of one direction
//     scratch_bytes, convolve      an image in one direction, and the scratch memory it takes
//     weight_sums                  how many numbers are summed over the images for the weight gradient
//     add_weight_gradient          adds an image's numbers to these sums, and its gradient of the bias
//     gradient_bytes               the scratch memory that takes
//     write_gradient               the weight gradient, from the sums
// `Direct` (direct.h) is for all shapes, and uses a kind of multiply and add (conv.h). `Winograd` (winograd.h) is for most
// 3x3 convolutions in float32 arithmetic.
#include "conv_amx.h"
#include "conv_vector.h"
#include "direct.h"
#include "winograd.h"

namespace {

// The kind for activations of type Y.
template <class Y>
struct KindOf {
    typedef Fma Kind;
};
#ifdef HAS_AMX
template <>
struct KindOf<BFloat16> {
    typedef Amx Kind;
};
#elif defined(__AVX512BF16__)
template <>
struct KindOf<BFloat16> {
    typedef Dot Kind;
};
#endif

// Calls `call` with the types of x and y, with whether a float32 x is rounded to bfloat16, and with the algorithm.
template <class Call>
void dispatch(const ConvDesc &desc, const Call &call) {
    const auto choose = [&](auto x, auto y) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        if constexpr (std::is_same<Kind, Fma>::value)
            if (Winograd::fits(desc)) return call(x, y, std::false_type{}, Winograd{});
        call(x, y, std::false_type{}, Direct<Kind>{});
    };
    if (desc.x_bf16 && desc.y_bf16) return choose(BFloat16{}, BFloat16{});
    if (desc.y_bf16) return call(float{}, BFloat16{}, std::true_type{}, Direct<KindOf<BFloat16>::Kind>{});
    if (!desc.x_bf16) return choose(float{}, float{});
    unsupported("conv", "type of the output for bfloat16 images", desc.y_bf16);
}

const ConvDesc &checked_desc(const OpArgs &args) {
    const ConvDesc &desc = conv_desc(args);
    if (desc.out_channels % kLanes) unsupported("conv", "number of output channels", desc.out_channels);
    if (desc.has_dx && desc.in_channels % kLanes) unsupported("conv", "number of input channels", desc.in_channels);
    if (desc.size % 2 == 0) unsupported("conv", "filter size", desc.size);
    return desc;
}

// The workspace of the backward pass: for each chunk, the sums for the gradient of the weight, and the gradient of the
// bias. Behind them is the weight packed for backward-data.
struct ChunkSums {
    int64_t weight_sums, chunk, chunks, bytes;  // the first two in numbers: of the weight, and with the bias

    ChunkSums(const ConvDesc &desc, int64_t weight_sums)
        : weight_sums(weight_sums), chunk(weight_sums + desc.out_channels), chunks(num_chunks(desc.num_images)),
          bytes(round_up(chunks * chunk * sizeof(float), kAlignment)) {}

    // 16 numbers, summed over the chunks.
    f32x16 sum_at(const char *workspace, int64_t number) const {
        const float *of_chunks = (const float *)workspace + number;
        f32x16 sum = load(of_chunks);
        for (int64_t i = 1; i < chunks; i++) sum += load(of_chunks + i * chunk);
        return sum;
    }
};
template <class Algorithm>
ChunkSums chunk_sums(const ConvDesc &desc, Algorithm) {
    return {desc, Algorithm::weight_sums(forward_geometry(desc))};
}

void pack_forward(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = checked_desc(args);
    dispatch(desc, [&](auto, auto, auto, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        Algorithm::pack_weight(desc, false, args.parameters[0], (typename Algorithm::Number *)args.workspace, part);
    });
}

void forward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = conv_desc(args);
    dispatch(desc, [&](auto x, auto y, auto rounded, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        Algorithm::template convolve<rounded.value>(
            forward_geometry(desc), args.x.at<decltype(x)>(task), (const typename Algorithm::Number *)args.workspace,
            args.parameters[1], args.thread_workspace.at<char>(task), args.y.at<decltype(y)>(task));
    });
}

void pack_backward(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = checked_desc(args);
    if (!desc.has_dx) return;
    dispatch(desc, [&](auto, auto, auto, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        Algorithm::pack_weight(desc, true, args.parameters[0],
                               (typename Algorithm::Number *)(args.workspace + chunk_sums(desc, algorithm).bytes), part);
    });
}

// Backward-data has a bias of zeros, which begins the scratch memory.
void backward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = conv_desc(args);
    dispatch(desc, [&](auto x, auto y, auto rounded, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        const ChunkSums of_chunks = chunk_sums(desc, algorithm);
        float *sums = (float *)args.workspace + task.chunk * of_chunks.chunk;
        if (task.first_in_chunk) memset(sums, 0, of_chunks.chunk * sizeof *sums);
        char *scratch = args.thread_workspace.at<char>(task);
        const auto *dy = args.dy.at<decltype(y)>(task);
        if (desc.has_dx) {
            const auto *weights = (const typename Algorithm::Number *)(args.workspace + of_chunks.bytes);
            float *bias = (float *)scratch;
            memset(bias, 0, desc.in_channels * sizeof *bias);
            Algorithm::template convolve<false>(backward_data_geometry(desc), dy, weights, bias,
                                                scratch + round_up(desc.in_channels * sizeof *bias, kAlignment),
                                                args.dx.at<decltype(x)>(task));
        }
        Algorithm::template add_weight_gradient<rounded.value>(forward_geometry(desc), args.x.at<decltype(x)>(task), dy,
                                                               scratch, sums, sums + of_chunks.weight_sums);
    });
}

void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = conv_desc(args);
    dispatch(desc, [&](auto, auto, auto, auto algorithm) {
        const ChunkSums of_chunks = chunk_sums(desc, algorithm);
        const auto sum_at = [&](int64_t number) { return of_chunks.sum_at(args.workspace, number); };
        decltype(algorithm)::write_gradient(desc, sum_at, args.gradients[0], part);
        if (part.index > 0) return;
        for (int64_t o = 0; o < desc.out_channels; o += kLanes)
            store(args.gradients[1] + o, sum_at(of_chunks.weight_sums + o));
    });
}

}  // namespace

extern "C" {

int64_t sizeof_ConvDesc() { return sizeof(ConvDesc); }

// Enough for either direction.
int64_t conv_workspace_bytes(const ConvDesc *desc) {
    int64_t bytes = 0;
    dispatch(*desc, [&](auto, auto, auto, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        const int64_t forward = Algorithm::packed_bytes(forward_geometry(*desc));
        const int64_t packed = desc->has_dx ? Algorithm::packed_bytes(backward_data_geometry(*desc)) : 0;
        const int64_t backward = chunk_sums(*desc, algorithm).bytes + packed;
        bytes = forward > backward ? forward : backward;
    });
    return bytes;
}

int64_t conv_thread_workspace_bytes(const ConvDesc *desc) {
    int64_t bytes = 0;
    dispatch(*desc, [&](auto, auto, auto, auto algorithm) {
        typedef decltype(algorithm) Algorithm;
        const int64_t parts[] = {
            Algorithm::scratch_bytes(forward_geometry(*desc)),
            Algorithm::gradient_bytes(forward_geometry(*desc)),
            round_up(desc->in_channels * sizeof(float), kAlignment) +
                Algorithm::scratch_bytes(backward_data_geometry(*desc)),
        };
        for (int64_t part : parts) bytes = part > bytes ? part : bytes;
    });
    return bytes;
}

extern const Kernel conv_forward = {pack_forward, forward, nullptr, nullptr, nullptr};
extern const Kernel conv_backward = {pack_backward, backward, nullptr, nullptr, sum_parameter_gradients};
}

#ifdef HAS_AMX
#include "conv_check.h"

// Asks Linux for tiles, and the processor for a convolution: 1 if both go well. To be called before any other.
extern "C" int amx_allowed() {
    if (!request_tiles()) return 0;
    const ConvDesc stem = {1, 5, 18, 3, 16, 3, 1, {27, 9, 3, 1}, 1, 1, 0};
    const ConvDesc wide = {1, 9, 8, 48, 48, 3, 1, {432, 9, 3, 1}, 1, 1, 1};
    return agree<Direct<Amx>, BFloat16, Direct<Fma>, float>(stem) && agree<Direct<Amx>, BFloat16, Direct<Fma>, float>(wide);
}
#endif
