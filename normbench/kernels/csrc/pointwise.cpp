// An affine map of each channel, dynamic tanh, and the sum of two activations.
#include "exp.h"
#include "per_image_norm.h"

// An add of two images of `count` values, a multiple of 16.
struct AddDesc {
    int64_t count, bf16;
};

namespace {

// y = epilogue(weight x + bias): batch norm by running statistics.
template <int K>
struct ChannelAffine : Pixels<K> {
    static constexpr int kParameters = 2;
    using Pixels<K>::pixels, Pixels<K>::vectors, Pixels<K>::channels;
    const Relu relu;
    Channels<K> weight, bias;

    ChannelAffine(const NormDesc &desc, const float *const *parameters) : Pixels<K>(desc), relu(desc.relu) {
        this->load_channels(parameters[0], weight);
        this->load_channels(parameters[1], bias);
    }

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                store(y + at, dropout(relu(load(x + at) * weight[k] + bias[k])));
            }
    }

    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        Channels<K> dweight = {}, dbias = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at);
                const f32x16 d = relu.backward(value * weight[k] + bias[k], dropout(load(dy + at)));
                dweight[k] += d * value;
                dbias[k] += d;
                store(dx + at, d * weight[k]);
            }
        this->store_channels(gradients, dweight);
        this->store_channels(gradients + channels(), dbias);
    }
};

// Dynamic tanh (Zhu et al. 2025, arXiv:2503.10622): y = epilogue(weight tanh(alpha x) + bias). The layer has a single
// alpha; the caller broadcasts it to the channels.
template <int K>
struct DynamicTanh : Pixels<K> {
    static constexpr int kParameters = 3;
    using Pixels<K>::pixels, Pixels<K>::vectors, Pixels<K>::channels;
    const Relu relu;
    Channels<K> weight, bias, alpha;

    DynamicTanh(const NormDesc &desc, const float *const *parameters) : Pixels<K>(desc), relu(desc.relu) {
        this->load_channels(parameters[0], weight);
        this->load_channels(parameters[1], bias);
        this->load_channels(parameters[2], alpha);
    }

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                store(y + at, dropout(relu(tanh(load(x + at) * alpha[k]) * weight[k] + bias[k])));
            }
    }

    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        Channels<K> dweight = {}, dbias = {}, dalpha = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at), t = tanh(value * alpha[k]);
                const f32x16 d = relu.backward(t * weight[k] + bias[k], dropout(load(dy + at)));
                const f32x16 inner = d * weight[k] * (1 - t) * (1 + t);  // dL/d(alpha x)
                dweight[k] += d * t;
                dbias[k] += d;
                dalpha[k] += inner * value;
                store(dx + at, inner * alpha[k]);
            }
        this->store_channels(gradients, dweight);
        this->store_channels(gradients + channels(), dbias);
        this->store_channels(gradients + 2 * channels(), dalpha);
    }
};

void add_images(const OpArgs &args, const ImageTask &task) {
    const AddDesc &desc = *(const AddDesc *)args.desc;
    if (desc.count % kLanes) unsupported("add", "number of values", desc.count);
    dispatch_dtype("add", desc.bf16, [&](auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task), *addend = args.addend.at<T>(task);
        T *y = args.y.at<T>(task);
        for (int64_t i = 0; i < desc.count; i += kLanes) store(y + i, load(x + i) + load(addend + i));
    });
}

}  // namespace

EXPORT_PER_IMAGE_NORM(channel_affine, ChannelAffine)
EXPORT_PER_IMAGE_NORM(dynamic_tanh, DynamicTanh)

extern "C" {
// Has no backward kernel: both addends have the gradient of the sum.
extern const Kernel add_forward = {nullptr, add_images, nullptr, nullptr, nullptr};

int64_t sizeof_AddDesc() { return sizeof(AddDesc); }
}
