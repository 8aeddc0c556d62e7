// What takes each number by itself: dynamic tanh, no norm at all, and sums.
#include "exp.h"
#include "per_image.h"

namespace {

// y = dropout(relu(weight tanh(alpha x) + bias)). Every channel has an alpha here, all of them the same.
template <int K>
struct DynamicTanh {
    static constexpr int kParameters = 3;
    const int64_t pixels;
    const Relu relu;
    Floats weight[K], bias[K], alpha[K];

    DynamicTanh(const Layer &layer, const float *parameters) : pixels(layer.pixels), relu(layer.relu) {
        read_channels<K>(parameters, weight);
        read_channels<K>(parameters + K * kLanes, bias);
        read_channels<K>(parameters + 2 * K * kLanes, alpha);
    }

    template <class T>
    void forward(const T *x, Mask mask, T *y) const {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                store(y + at, mask(relu(tanh(load(x + at) * alpha[k]) * weight[k] + bias[k])));
            }
    }

    template <class T>
    void backward(const T *x, const T *d_y, Mask mask, T *d_x, float *d_parameters) const {
        Floats d_weight[K] = {}, d_bias[K] = {}, d_alpha[K] = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at), t = tanh(value * alpha[k]);
                const Floats d = relu.through(t * weight[k] + bias[k], mask(load(d_y + at)));
                const Floats inner = d * weight[k] * (1 - t) * (1 + t);  // at alpha x
                d_weight[k] += d * t;
                d_bias[k] += d;
                d_alpha[k] += inner * value;
                store(d_x + at, inner * alpha[k]);
            }
        for (int k = 0; k < K; k++) {
            store(d_parameters + k * kLanes, d_weight[k]);
            store(d_parameters + (K + k) * kLanes, d_bias[k]);
            store(d_parameters + (2 * K + k) * kLanes, d_alpha[k]);
        }
    }
};

// y = dropout(relu(x)).
template <int K>
struct Identity {
    static constexpr int kParameters = 0;
    const int64_t count;
    const Relu relu;

    Identity(const Layer &layer, const float *) : count(layer.pixels * layer.channels()), relu(layer.relu) {}

    template <class T>
    void forward(const T *x, Mask mask, T *y) const {
        for (int64_t i = 0; i < count; i += kLanes) store(y + i, mask(relu(load(x + i))));
    }

    template <class T>
    void backward(const T *x, const T *d_y, Mask mask, T *d_x, float *) const {
        for (int64_t i = 0; i < count; i += kLanes)
            store(d_x + i, relu.through(load(x + i), mask(load(d_y + i))));
    }
};

// Of two images of `count` numbers, a multiple of 16.
struct Sum {
    int64_t count, bf16;
};

template <class T>
void add(int64_t count, const T *x, const T *other, T *y) {
    for (int64_t i = 0; i < count; i += kLanes) store(y + i, load(x + i) + load(other + i));
}

void add_images(const Work &work, const Place &at) {
    const Sum &sum = *(const Sum *)work.layer;
    if (sum.bf16)
        add(sum.count, work.x.at<BFloat16>(at), work.other.at<BFloat16>(at), work.y.at<BFloat16>(at));
    else
        add(sum.count, work.x.at<float>(at), work.other.at<float>(at), work.y.at<float>(at));
}

}  // namespace

extern "C" {
extern const Kernel sum_forward = {nullptr, add_images, nullptr, nullptr, nullptr};
}
KERNELS(dynamic_tanh, DynamicTanh)
KERNELS(identity, Identity)
