// Norms over the channels of each pixel: layer norm and RMS norm.
#include "per_image_norm.h"

namespace {

// The sum over the channels of a pixel, by halves: a tree has fewer dependent additions than a chain.
float sum_channels(const f32x16 *values, int64_t vectors) {
    typedef float Eight __attribute__((vector_size(32)));
    typedef float Four __attribute__((vector_size(16)));
    f32x16 sum = values[0];
    for (int k = 1; k < vectors; k++) sum += values[k];
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
struct PixelNorm : Pixels<K> {
    static constexpr int kParameters = 2;
    using Pixels<K>::pixels, Pixels<K>::vectors, Pixels<K>::channels;
    const float eps;
    const Relu relu;
    Channels<K> weight, bias;

    PixelNorm(const NormDesc &desc, const float *const *parameters)
        : Pixels<K>(desc), eps(desc.eps), relu(desc.relu) {
        this->load_channels(parameters[0], weight);
        this->load_channels(parameters[1], bias);
    }

    float mean(const Channels<K> &values) const { return sum_channels(values, vectors()) / (float)channels(); }

    // x <- x^; returns r.
    float normalize(Channels<K> &x) const {
        Channels<K> squares;
        if (kCentered) {
            const float center = mean(x);
            for (int k = 0; k < vectors(); k++) x[k] -= center;
        }
        for (int k = 0; k < vectors(); k++) squares[k] = x[k] * x[k];
        const float r = 1.0f / std::sqrt(mean(squares) + eps);
        for (int k = 0; k < vectors(); k++) x[k] *= r;
        return r;
    }

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        for (int64_t at = 0; at < pixels * channels(); at += channels()) {
            Channels<K> values;
            for (int k = 0; k < vectors(); k++) values[k] = load(x + at + k * kLanes);
            normalize(values);
            for (int k = 0; k < vectors(); k++)
                store(y + at + k * kLanes, dropout(relu(values[k] * weight[k] + bias[k])));
        }
    }

    // With g = weight dL/dz: dx = r (g - mean(g) - x^ mean(g x^)); mean(g) only if centered.
    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        Channels<K> dweight = {}, dbias = {};
        for (int64_t at = 0; at < pixels * channels(); at += channels()) {
            Channels<K> values, g, products;
            for (int k = 0; k < vectors(); k++) values[k] = load(x + at + k * kLanes);
            const float r = normalize(values);
            for (int k = 0; k < vectors(); k++) {
                const f32x16 d =
                    relu.backward(values[k] * weight[k] + bias[k], dropout(load(dy + at + k * kLanes)));
                dbias[k] += d;
                dweight[k] += d * values[k];
                g[k] = d * weight[k];
                products[k] = g[k] * values[k];
            }
            const float mean_g = kCentered ? mean(g) : 0, mean_gx = mean(products);
            for (int k = 0; k < vectors(); k++)
                store(dx + at + k * kLanes, (g[k] - mean_g - values[k] * mean_gx) * r);
        }
        this->store_channels(gradients, dweight);
        this->store_channels(gradients + channels(), dbias);
    }
};

template <int K>
using LayerNorm = PixelNorm<K, true>;
template <int K>
using RmsNorm = PixelNorm<K, false>;

}  // namespace

EXPORT_PER_IMAGE_NORM(layer_norm, LayerNorm)
EXPORT_PER_IMAGE_NORM(root_mean_square, RmsNorm)
