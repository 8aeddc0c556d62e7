// Norms over the channels of each pixel: layer norm and RMS norm.
#include "per_image_norm.h"

namespace {

// The sum over the channels of a pixel, by halves: a tree has fewer dependent additions than a chain.
template <int K>
float sum_channels(const f32x16 (&values)[K]) {
    typedef float Eight __attribute__((vector_size(32)));
    typedef float Four __attribute__((vector_size(16)));
    f32x16 sum = values[0];
    for (int k = 1; k < K; k++) sum += values[k];
    Eight eights[2];
    memcpy(eights, &sum, sizeof eights);
    const Eight eight = eights[0] + eights[1];
    Four fours[2];
    memcpy(fours, &eight, sizeof fours);
    const Four four = fours[0] + fours[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

// y = epilogue(weight x^ + bias), with the means over the channels of a pixel:
//     centered:  x^ = (x - mean(x)) r,  r = 1 / sqrt(mean((x - mean(x))^2) + eps)   (layer norm)
//     else:      x^ = x r,              r = 1 / sqrt(mean(x^2) + eps)               (RMS norm)
template <int K, bool kCentered>
struct PixelNorm {
    static constexpr int kParameters = 2;
    static constexpr float kChannels = K * kLanes;
    const int64_t pixels;
    const float eps;
    const Relu relu;
    f32x16 weight[K], bias[K];

    PixelNorm(const NormDesc &desc, const float *const *parameters)
        : pixels(desc.pixels), eps(desc.eps), relu(desc.relu) {
        load_channels<K>(parameters[0], weight);
        load_channels<K>(parameters[1], bias);
    }

    // x <- x^; returns r.
    float normalize(f32x16 (&x)[K]) const {
        f32x16 squares[K];
        if (kCentered) {
            const float mean = sum_channels<K>(x) / kChannels;
            for (int k = 0; k < K; k++) x[k] -= mean;
        }
        for (int k = 0; k < K; k++) squares[k] = x[k] * x[k];
        const float r = 1.0f / std::sqrt(sum_channels<K>(squares) / kChannels + eps);
        for (int k = 0; k < K; k++) x[k] *= r;
        return r;
    }

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        for (int64_t at = 0; at < pixels * K * kLanes; at += K * kLanes) {
            f32x16 values[K];
            for (int k = 0; k < K; k++) values[k] = load(x + at + k * kLanes);
            normalize(values);
            for (int k = 0; k < K; k++)
                store(y + at + k * kLanes, dropout(relu(values[k] * weight[k] + bias[k])));
        }
    }

    // With g = weight dL/dz: dx = r (g - mean(g) - x^ mean(g x^)); mean(g) only if centered.
    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        f32x16 dweight[K] = {}, dbias[K] = {};
        for (int64_t at = 0; at < pixels * K * kLanes; at += K * kLanes) {
            f32x16 values[K], g[K], products[K];
            for (int k = 0; k < K; k++) values[k] = load(x + at + k * kLanes);
            const float r = normalize(values);
            for (int k = 0; k < K; k++) {
                const f32x16 d =
                    relu.backward(values[k] * weight[k] + bias[k], dropout(load(dy + at + k * kLanes)));
                dbias[k] += d;
                dweight[k] += d * values[k];
                g[k] = d * weight[k];
                products[k] = g[k] * values[k];
            }
            const float mean_g = kCentered ? sum_channels<K>(g) / kChannels : 0;
            const float mean_gx = sum_channels<K>(products) / kChannels;
            for (int k = 0; k < K; k++)
                store(dx + at + k * kLanes, (g[k] - mean_g - values[k] * mean_gx) * r);
        }
        for (int k = 0; k < K; k++) {
            store(gradients + k * kLanes, dweight[k]);
            store(gradients + (K + k) * kLanes, dbias[k]);
        }
    }
};

template <int K>
using LayerNorm = PixelNorm<K, true>;
template <int K>
using RmsNorm = PixelNorm<K, false>;

}  // namespace

EXPORT_PER_IMAGE_NORM(layer_norm, LayerNorm)
EXPORT_PER_IMAGE_NORM(root_mean_square, RmsNorm)
