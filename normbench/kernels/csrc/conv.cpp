// Convolutions: y = weight * x + bias, with float32 sums.
//
// Forward and backward-data (dx) are one kernel with other weights. The weight gradient (dW) has its own.
#include "conv_amx.h"
#include "conv_vector.h"

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

// Instantiates `call` for the types of x and y, and with whether a float32 x is rounded to bfloat16.
template <class Call>
void dispatch(const ConvDesc &desc, const Call &call) {
    if (desc.x_bf16 && desc.y_bf16) return call(BFloat16{}, BFloat16{}, std::false_type{});
    if (desc.y_bf16) return call(float{}, BFloat16{}, std::true_type{});
    if (!desc.x_bf16) return call(float{}, float{}, std::false_type{});
    unsupported("conv", "type of the output for bfloat16 images", desc.y_bf16);
}

const ConvDesc &checked_desc(const OpArgs &args) {
    const ConvDesc &desc = conv_desc(args);
    if (desc.out_channels % kLanes) unsupported("conv", "number of output channels", desc.out_channels);
    if (desc.has_dx && desc.in_channels % kLanes) unsupported("conv", "number of input channels", desc.in_channels);
    if (desc.size % 2 == 0) unsupported("conv", "filter size", desc.size);
    return desc;
}

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

template <class Kind, bool kRounded, class X, class Y>
void convolve_image(const Geometry &geometry, const X *x, const typename Kind::Number *weights, const float *bias,
                    char *scratch, Y *y) {
    typedef typename Kind::Number Number;
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

// For backward-data the filters are turned by 180 degrees, and in and out channels are
// swapped.
template <class Kind>
void pack_weight(const ConvDesc &desc, bool backward_data, const float *weight, typename Kind::Number *to,
                 const Part &part) {
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

template <class Kind>
int64_t packed_bytes(const Geometry &geometry) {
    return round_up(PackedWeights<Kind>(geometry).count * sizeof(typename Kind::Number), kAlignment);
}

// The workspace of the backward pass: the gradients of weight and bias of each chunk, and behind them the weight packed
// for backward-data.
int64_t weight_count(const ConvDesc &desc) {
    return desc.size * desc.out_channels * gradient_row(forward_geometry(desc));
}
int64_t gradient_count(const ConvDesc &desc) { return weight_count(desc) + desc.out_channels; }
int64_t gradients_bytes(const ConvDesc &desc) {
    return round_up(num_chunks(desc.num_images) * gradient_count(desc) * sizeof(float), kAlignment);
}

void pack_forward(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = checked_desc(args);
    dispatch(desc, [&](auto, auto y, auto) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        pack_weight<Kind>(desc, false, args.parameters[0], (typename Kind::Number *)args.workspace, part);
    });
}

void forward(const OpArgs &args, const ImageTask &task) {
    dispatch(conv_desc(args), [&](auto x, auto y, auto rounded) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        convolve_image<Kind, rounded.value>(forward_geometry(conv_desc(args)), args.x.at<decltype(x)>(task),
                                            (const typename Kind::Number *)args.workspace, args.parameters[1],
                                            args.thread_workspace.at<char>(task), args.y.at<decltype(y)>(task));
    });
}

void pack_backward(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = checked_desc(args);
    if (!desc.has_dx) return;
    dispatch(desc, [&](auto, auto y, auto) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        pack_weight<Kind>(desc, true, args.parameters[0],
                          (typename Kind::Number *)(args.workspace + gradients_bytes(desc)), part);
    });
}

// Backward-data has a bias of zeros, which begins the scratch memory.
void backward(const OpArgs &args, const ImageTask &task) {
    const ConvDesc &desc = conv_desc(args);
    float *gradients = (float *)args.workspace + task.chunk * gradient_count(desc);
    if (task.first_in_chunk) memset(gradients, 0, gradient_count(desc) * sizeof *gradients);
    dispatch(desc, [&](auto x, auto y, auto rounded) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        char *scratch = args.thread_workspace.at<char>(task);
        const auto *dy = args.dy.at<decltype(y)>(task);
        if (desc.has_dx) {
            const Geometry geometry = backward_data_geometry(desc);
            const auto *weights = (const typename Kind::Number *)(args.workspace + gradients_bytes(desc));
            float *bias = (float *)scratch;
            memset(bias, 0, desc.in_channels * sizeof *bias);
            convolve_image<Kind, false>(geometry, dy, weights, bias,
                                        scratch + round_up(desc.in_channels * sizeof *bias, kAlignment),
                                        args.dx.at<decltype(x)>(task));
        }
        Kind::template add_weight_gradient<rounded.value>(forward_geometry(desc), args.x.at<decltype(x)>(task), dy, scratch,
                                                    gradients, gradients + weight_count(desc));
    });
}

// The sum over the chunks of the batch, which are `stride` numbers apart.
f32x16 sum_chunks(const ConvDesc &desc, const float *of_chunks) {
    f32x16 sum = load(of_chunks);
    for (int64_t chunk = 1; chunk < num_chunks(desc.num_images); chunk++)
        sum += load(of_chunks + chunk * gradient_count(desc));
    return sum;
}

void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    const ConvDesc &desc = conv_desc(args);
    const int64_t out = desc.out_channels, channels = desc.in_channels, length = gradient_row(forward_geometry(desc));
    const int64_t window = forward_geometry(desc).window();
    const bool is_gapless = desc.weight_strides[1] == 1 && desc.weight_strides[3] == channels;
    const float *of_chunks = (const float *)args.workspace;
    for (int64_t row = part.begin(desc.size * out); row < part.end(desc.size * out); row++) {
        f32x16 sum = {};
        float *to = args.gradients[0] + row / out * desc.weight_strides[2] + row % out * desc.weight_strides[0];
        if (is_gapless && window % kLanes == 0) {
            for (int64_t q = 0; q < window; q += kLanes) store(to + q, sum_chunks(desc, of_chunks + row * length + q));
            continue;
        }
        int64_t q = 0;
        for (int64_t kx = 0; kx < desc.size; kx++)
            for (int64_t c = 0; c < channels; c++, q++) {
                if (q % kLanes == 0) sum = sum_chunks(desc, of_chunks + row * length + q);
                to[kx * desc.weight_strides[3] + c * desc.weight_strides[1]] = sum[q % kLanes];
            }
    }
    if (part.index > 0) return;
    for (int64_t o = 0; o < out; o += kLanes)
        store(args.gradients[1] + o, sum_chunks(desc, of_chunks + weight_count(desc) + o));
}

}  // namespace

extern "C" {

int64_t sizeof_ConvDesc() { return sizeof(ConvDesc); }

// Enough for either direction.
int64_t conv_workspace_bytes(const ConvDesc *desc) {
    int64_t bytes = 0;
    dispatch(*desc, [&](auto, auto y, auto) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        const int64_t forward = packed_bytes<Kind>(forward_geometry(*desc));
        const int64_t backward =
            gradients_bytes(*desc) + (desc->has_dx ? packed_bytes<Kind>(backward_data_geometry(*desc)) : 0);
        bytes = forward > backward ? forward : backward;
    });
    return bytes;
}

int64_t conv_thread_workspace_bytes(const ConvDesc *desc) {
    int64_t bytes = 0;
    dispatch(*desc, [&](auto, auto y, auto) {
        typedef typename KindOf<decltype(y)>::Kind Kind;
        const int64_t parts[] = {
            PaddedRows<Kind>(forward_geometry(*desc)).bytes,
            Kind::gradient_bytes(forward_geometry(*desc)),
            round_up(desc->in_channels * sizeof(float), kAlignment) +
                PaddedRows<Kind>(backward_data_geometry(*desc)).bytes,
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
    return kinds_agree<Amx, BFloat16, Fma, float>(stem) && kinds_agree<Amx, BFloat16, Fma, float>(wide);
}
#endif
