// Norms of the channels of each pixel: layer norm over channels and RMS norm.
#include "per_image.h"

namespace {

// The sum over all channels of a pixel.
template <int K>
float sum_of(const Floats (&values)[K]) {
    typedef float Eight __attribute__((vector_size(32)));
    typedef float Four __attribute__((vector_size(16)));
    Floats sum = values[0];
    for (int k = 1; k < K; k++) sum += values[k];
    Eight eights[2];
    memcpy(eights, &sum, sizeof eights);
    const Eight eight = eights[0] + eights[1];
    Four fours[2];
    memcpy(fours, &eight, sizeof fours);
    const Four four = fours[0] + fours[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

// y = dropout(relu(weight x^ + bias)), x^ = (x - mean) / sqrt(variance + eps) or, not centered, x / sqrt(mean of x^2 +
// eps).
template <int K, bool kCentered>
struct PixelNorm {
    static constexpr int kParameters = 2;
    static constexpr float kChannels = K * kLanes;
    const int64_t pixels;
    const float eps;
    const Relu relu;
    Floats weight[K], bias[K];

    PixelNorm(const Layer &layer, const float *parameters)
        : pixels(layer.pixels), eps(layer.eps), relu(layer.relu) {
        read_channels<K>(parameters, weight);
        read_channels<K>(parameters + K * kLanes, bias);
    }

    // x becomes the normalized x; returns what it was divided by, inverted.
    float normalize(Floats (&x)[K]) const {
        Floats squares[K];
        if (kCentered) {
            const float mean = sum_of<K>(x) / kChannels;
            for (int k = 0; k < K; k++) x[k] -= mean;
        }
        for (int k = 0; k < K; k++) squares[k] = x[k] * x[k];
        const float rstd = 1.0f / std::sqrt(sum_of<K>(squares) / kChannels + eps);
        for (int k = 0; k < K; k++) x[k] *= rstd;
        return rstd;
    }

    template <class T>
    void forward(const T *x, Mask mask, T *y) const {
        for (int64_t at = 0; at < pixels * K * kLanes; at += K * kLanes) {
            Floats values[K];
            for (int k = 0; k < K; k++) values[k] = load(x + at + k * kLanes);
            normalize(values);
            for (int k = 0; k < K; k++)
                store(y + at + k * kLanes, mask(relu(values[k] * weight[k] + bias[k])));
        }
    }

    // dL/dx = (g - mean(g) - x^ mean(g x^)) / std with g = weight dL/dy; the second term only if centered.
    template <class T>
    void backward(const T *x, const T *d_y, Mask mask, T *d_x, float *d_parameters) const {
        Floats d_weight[K] = {}, d_bias[K] = {};
        for (int64_t at = 0; at < pixels * K * kLanes; at += K * kLanes) {
            Floats values[K], g[K], products[K];
            for (int k = 0; k < K; k++) values[k] = load(x + at + k * kLanes);
            const float rstd = normalize(values);
            for (int k = 0; k < K; k++) {
                const Floats d =
                    relu.through(values[k] * weight[k] + bias[k], mask(load(d_y + at + k * kLanes)));
                d_bias[k] += d;
                d_weight[k] += d * values[k];
                g[k] = d * weight[k];
                products[k] = g[k] * values[k];
            }
            const float mean_g = kCentered ? sum_of<K>(g) / kChannels : 0, mean_gx = sum_of<K>(products) / kChannels;
            for (int k = 0; k < K; k++)
                store(d_x + at + k * kLanes, (g[k] - mean_g - values[k] * mean_gx) * rstd);
        }
        for (int k = 0; k < K; k++) {
            store(d_parameters + k * kLanes, d_weight[k]);
            store(d_parameters + (K + k) * kLanes, d_bias[k]);
        }
    }
};

template <int K>
using LayerNorm = PixelNorm<K, true>;
template <int K>
using RootMeanSquare = PixelNorm<K, false>;

}  // namespace

KERNELS(layer_norm, LayerNorm)
KERNELS(root_mean_square, RootMeanSquare)
