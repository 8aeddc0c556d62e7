// A linear layer with arithmetic in float32: y = weight x + bias.
//
// x is [in_features], a multiple of 16, in float32 or bfloat16; y is float32; weight is [out_features][in_features].
#include "dispatch.h"
#include "graph.h"

struct LinearDesc {
    int64_t num_images, in_features, out_features;
    int64_t bf16;  // 1: x is bfloat16, 0: float32

    int64_t weight_count() const { return in_features * out_features; }
    int64_t gradient_count() const { return weight_count() + out_features; }  // of weight and bias together
};

namespace {

const LinearDesc &linear_desc(const OpArgs &args) {
    const LinearDesc &desc = *(const LinearDesc *)args.desc;
    if (desc.in_features % kLanes) unsupported("linear", "number of inputs", desc.in_features);
    return desc;
}

template <class T>
void forward_image(const OpArgs &args, const ImageTask &task) {
    const LinearDesc &desc = linear_desc(args);
    const T *x = args.x.at<T>(task);
    const float *weight = args.parameters[0];
    float *y = args.y.at<float>(task);
    for (int64_t o = 0; o < desc.out_features; o++, weight += desc.in_features) {
        f32x16 products = {};
        for (int64_t c = 0; c < desc.in_features; c += kLanes) products += load(weight + c) * load(x + c);
        float sum = args.parameters[1][o];
        for (int lane = 0; lane < kLanes; lane++) sum += products[lane];
        y[o] = sum;
    }
}

// dx = weight^T dy. workspace: the gradients of weight and bias of each chunk of the batch; this image is added to
// them.
template <class T>
void backward_image(const OpArgs &args, const ImageTask &task) {
    const LinearDesc &desc = linear_desc(args);
    const T *x = args.x.at<T>(task);
    T *dx = args.dx.at<T>(task);
    const float *dy = args.dy.at<float>(task), *weight = args.parameters[0];
    float *dweight = (float *)args.workspace + task.chunk * desc.gradient_count();
    float *dbias = dweight + desc.weight_count();
    if (task.first_in_chunk) memset(dweight, 0, desc.gradient_count() * sizeof *dweight);
    for (int64_t c = 0; c < desc.in_features; c += kLanes) {
        const f32x16 value = load(x + c);
        f32x16 sum = {};
        for (int64_t o = 0; o < desc.out_features; o++) {
            const int64_t i = o * desc.in_features + c;
            sum += load(weight + i) * dy[o];
            store(dweight + i, load(dweight + i) + value * dy[o]);
        }
        store(dx + c, sum);
    }
    for (int64_t o = 0; o < desc.out_features; o++) dbias[o] += dy[o];
}

void forward(const OpArgs &args, const ImageTask &task) {
    dispatch_dtype("linear", linear_desc(args).bf16, [&](auto dtype) { forward_image<decltype(dtype)>(args, task); });
}

void backward(const OpArgs &args, const ImageTask &task) {
    dispatch_dtype("linear", linear_desc(args).bf16, [&](auto dtype) { backward_image<decltype(dtype)>(args, task); });
}

void sum_chunks(const OpArgs &args, const Part &part) {
    const LinearDesc &desc = linear_desc(args);
    const float *of_chunks = (const float *)args.workspace;
    for (int64_t i = part.begin(desc.gradient_count()); i < part.end(desc.gradient_count()); i++) {
        float sum = 0;
        for (int64_t chunk = 0; chunk < num_chunks(desc.num_images); chunk++)
            sum += of_chunks[chunk * desc.gradient_count() + i];
        (i < desc.weight_count() ? args.gradients[0][i] : args.gradients[1][i - desc.weight_count()]) = sum;
    }
}

}  // namespace

extern "C" {
extern const Kernel linear_forward = {nullptr, forward, nullptr, nullptr, nullptr};
extern const Kernel linear_backward = {nullptr, backward, nullptr, nullptr, sum_chunks};

int64_t sizeof_LinearDesc() { return sizeof(LinearDesc); }
}
