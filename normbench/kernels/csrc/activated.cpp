// Norms with an activation of their own, and statistics of each image: filter response norm and EvoNorm-S0.
#include "exp.h"
#include "per_image.h"

namespace {

// y = dropout(max(weight x / sqrt(mean of x^2 + eps) + bias, tau)), the mean over the pixels of a channel.
template <int K>
struct FilterResponse {
    static constexpr int kParameters = 3;
    const int64_t pixels;
    const float eps;
    Floats weight[K], bias[K], tau[K];

    FilterResponse(const Layer &layer, const float *parameters) : pixels(layer.pixels), eps(layer.eps) {
        read_channels<K>(parameters, weight);
        read_channels<K>(parameters + K * kLanes, bias);
        read_channels<K>(parameters + 2 * K * kLanes, tau);
    }

    // 1 / sqrt(mean of x^2 + eps).
    template <class T>
    void inverse_root(const T *x, Floats (&inverse)[K]) const {
        Floats squares[K] = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const Floats value = load(x + (p * K + k) * kLanes);
                squares[k] += value * value;
            }
        for (int k = 0; k < K; k++)
            for (int lane = 0; lane < kLanes; lane++)
                inverse[k][lane] = 1.0f / std::sqrt(squares[k][lane] / (float)pixels + eps);
    }

    static Flags is_above(Floats z, Floats tau) { return (z > tau) | (z != z); }  // a NaN stays to be seen

    template <class T>
    void forward(const T *x, Mask mask, T *y) const {
        Floats scale[K];
        inverse_root(x, scale);
        for (int k = 0; k < K; k++) scale[k] *= weight[k];
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats z = load(x + at) * scale[k] + bias[k];
                store(y + at, mask(is_above(z, tau[k]) ? z : tau[k]));
            }
    }

    // With r the inverse root and g = dL/dz: dL/dx = weight r (g - x r^2 mean(g x)), the mean over the pixels.
    template <class T>
    void backward(const T *x, const T *d_y, Mask mask, T *d_x, float *d_parameters) const {
        Floats inverse[K], scale[K], d_bias[K] = {}, d_tau[K] = {}, sum_x[K] = {}, slope[K];
        inverse_root(x, inverse);
        for (int k = 0; k < K; k++) scale[k] = inverse[k] * weight[k];
        Mask same = mask;
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at), d = mask(load(d_y + at));
                const Flags above = is_above(value * scale[k] + bias[k], tau[k]);
                const Floats g = above ? d : Floats{};
                d_bias[k] += g;
                d_tau[k] += above ? Floats{} : d;
                sum_x[k] += g * value;
            }
        for (int k = 0; k < K; k++) {
            slope[k] = scale[k] * inverse[k] * inverse[k] * sum_x[k] / (float)pixels;
            store(d_parameters + k * kLanes, sum_x[k] * inverse[k]);
            store(d_parameters + (K + k) * kLanes, d_bias[k]);
            store(d_parameters + (2 * K + k) * kLanes, d_tau[k]);
        }
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at), d = same(load(d_y + at));
                const Flags above = is_above(value * scale[k] + bias[k], tau[k]);
                store(d_x + at, (above ? d : Floats{}) * scale[k] - value * slope[k]);
            }
    }
};

// y = dropout(weight x sigmoid(v x) / sqrt(variance + eps) + bias), the variance over the pixels of a group of channels.
template <int K>
struct EvoNorm {
    static constexpr int kParameters = 3;
    Layer image;  // a layer of one image
    const int64_t pixels;
    Floats weight[K], bias[K], v[K];

    EvoNorm(const Layer &layer, const float *parameters) : image(layer), pixels(layer.pixels) {
        image.images = image.set_images = 1;
        read_channels<K>(parameters, weight);
        read_channels<K>(parameters + K * kLanes, bias);
        read_channels<K>(parameters + 2 * K * kLanes, v);
    }

    // The mean of each channel's group, and 1 / sqrt(its variance + eps).
    template <class T>
    void moments(const T *x, Floats (&mean)[K], Floats (&rstd)[K]) const {
        float means[K * kLanes], squares[K * kLanes], set_mean[K * kLanes], set_var[K * kLanes];
        image_moments<T, K>(image, x, means, squares);
        for (int64_t set = 0; set < image.groups; set++) set_moments(image, set, means, squares, set_mean, set_var);
        for (int64_t c = 0; c < K * kLanes; c++) {
            const int64_t set = image.set(0, c);
            mean[c / kLanes][c % kLanes] = set_mean[set];
            rstd[c / kLanes][c % kLanes] = rstd_of(image, set_var[set]);
        }
    }

    template <class T>
    void forward(const T *x, Mask mask, T *y) const {
        Floats mean[K], scale[K];
        moments(x, mean, scale);
        for (int k = 0; k < K; k++) scale[k] *= weight[k];
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at);
                store(y + at, mask(value * sigmoid(value * v[k]) * scale[k] + bias[k]));
            }
    }

    // With s = sigmoid(v x), r = 1 / std, d = dL/dy and the means over a group's count values:
    // dL/dx = weight r d (s + v x s (1 - s)) - r^3 (x - mean) mean(weight d x s).
    template <class T>
    void backward(const T *x, const T *d_y, Mask mask, T *d_x, float *d_parameters) const {
        Floats mean[K], rstd[K], d_bias[K] = {}, sum_swish[K] = {}, sum_v[K] = {};
        moments(x, mean, rstd);
        Mask same = mask;
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at), d = mask(load(d_y + at)), s = sigmoid(value * v[k]);
                const Floats d_swish = d * value * s;
                d_bias[k] += d;
                sum_swish[k] += d_swish;
                sum_v[k] += d_swish * value * (1 - s);
            }
        double totals[K * kLanes] = {};
        for (int64_t c = 0; c < K * kLanes; c++)
            totals[image.set(0, c)] += (double)weight[c / kLanes][c % kLanes] * sum_swish[c / kLanes][c % kLanes];
        Floats scale[K], slope[K];
        for (int k = 0; k < K; k++) {
            for (int lane = 0; lane < kLanes; lane++) {
                const int64_t set = image.set(0, k * kLanes + lane);
                slope[k][lane] = (float)(totals[set] / image.size(set));
            }
            slope[k] *= rstd[k] * rstd[k] * rstd[k];
            scale[k] = rstd[k] * weight[k];
            store(d_parameters + k * kLanes, sum_swish[k] * rstd[k]);
            store(d_parameters + (K + k) * kLanes, d_bias[k]);
            store(d_parameters + (2 * K + k) * kLanes, sum_v[k] * scale[k]);
        }
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats value = load(x + at), d = same(load(d_y + at)), s = sigmoid(value * v[k]);
                store(d_x + at, d * scale[k] * s * (1 + v[k] * value * (1 - s)) - (value - mean[k]) * slope[k]);
            }
    }
};

}  // namespace

KERNELS(filter_response, FilterResponse)
KERNELS(evo_norm, EvoNorm)
