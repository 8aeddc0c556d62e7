// Norms that contain their activation, with statistics within one image: filter response norm and EvoNorm-S0.
#include "exp.h"
#include "per_image_norm.h"

namespace {

// Filter response norm (Singh & Krishnan 2020, arXiv:1911.09737):
//     y = dropout(max(z, tau)),  z = weight x r + bias,  r = 1 / sqrt(mean(x^2) + eps)
// with the mean over the pixels of a channel.
template <int K>
struct FilterResponse : Pixels<K> {
    static constexpr int kParameters = 3;
    using Pixels<K>::pixels, Pixels<K>::vectors, Pixels<K>::channels;
    const float eps;
    Channels<K> weight, bias, tau;

    FilterResponse(const NormDesc &desc, const float *const *parameters) : Pixels<K>(desc), eps(desc.eps) {
        this->load_channels(parameters[0], weight);
        this->load_channels(parameters[1], bias);
        this->load_channels(parameters[2], tau);
    }

    template <class T>
    void inverse_rms(const T *x, Channels<K> &r) const {
        Channels<K> squares = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const f32x16 value = load(x + (p * vectors() + k) * kLanes);
                squares[k] += value * value;
            }
        for (int k = 0; k < vectors(); k++)
            for (int lane = 0; lane < kLanes; lane++)
                r[k].set(lane, 1.0f / std::sqrt(squares[k][lane] / (float)pixels + eps));
    }

    static i32x16 is_above(f32x16 z, f32x16 tau) { return (z > tau) | (z != z); }  // true for NaN, so that y is NaN

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        Channels<K> scale;
        inverse_rms(x, scale);
        for (int k = 0; k < vectors(); k++) scale[k] *= weight[k];
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 z = load(x + at) * scale[k] + bias[k];
                store(y + at, dropout(select(is_above(z, tau[k]), z, tau[k])));
            }
    }

    // With g = dL/dz, which is dL/dy above tau and else 0: dx = weight r (g - x r^2 mean(g x)).
    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        Channels<K> r, scale, dweight, dbias = {}, dtau = {}, sum_x = {}, slope;
        inverse_rms(x, r);
        for (int k = 0; k < vectors(); k++) scale[k] = r[k] * weight[k];
        Dropout again = dropout;  // the second loop draws the same mask
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at), d = dropout(load(dy + at));
                const i32x16 above = is_above(value * scale[k] + bias[k], tau[k]);
                const f32x16 g = select(above, d, 0);
                dbias[k] += g;
                dtau[k] += select(above, 0, d);
                sum_x[k] += g * value;
            }
        for (int k = 0; k < vectors(); k++) {
            slope[k] = scale[k] * r[k] * r[k] * sum_x[k] / (float)pixels;
            dweight[k] = sum_x[k] * r[k];
        }
        this->store_channels(gradients, dweight);
        this->store_channels(gradients + channels(), dbias);
        this->store_channels(gradients + 2 * channels(), dtau);
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at), d = again(load(dy + at));
                const i32x16 above = is_above(value * scale[k] + bias[k], tau[k]);
                store(dx + at, select(above, d, 0) * scale[k] - value * slope[k]);
            }
    }
};

// EvoNorm-S0 (Liu et al. 2020, arXiv:2004.02967):
//     y = dropout(weight x s r + bias),  s = sigmoid(v x),  r = 1 / sqrt(var + eps)
// with the variance over the pixels of a group of an image's channels.
template <int K>
struct EvoNorm : Pixels<K> {
    static constexpr int kParameters = 3;
    using Pixels<K>::pixels, Pixels<K>::vectors, Pixels<K>::channels;
    NormDesc one_image;  // the descriptor, for a batch of this image alone
    Channels<K> weight, bias, v;

    EvoNorm(const NormDesc &desc, const float *const *parameters) : Pixels<K>(desc), one_image(desc) {
        one_image.num_images = one_image.region_images = 1;
        this->load_channels(parameters[0], weight);
        this->load_channels(parameters[1], bias);
        this->load_channels(parameters[2], v);
    }

    // Mean and r of each channel's group.
    template <class T>
    void moments(const T *x, Channels<K> &mean, Channels<K> &rstd) const {
        constexpr int kMost = (K ? K : kMaxVectors) * kLanes;
        float means[kMost], squares[kMost], group_mean[kMost], group_var[kMost];
        image_moments(one_image, x, means, squares);
        for (int64_t g = 0; g < one_image.groups; g++)
            region_moments(one_image, g, means, squares, group_mean, group_var);
        for (int64_t c = 0; c < channels(); c++) {
            const int64_t g = one_image.region(0, c);
            mean[c / kLanes].set(c % kLanes, group_mean[g]);
            rstd[c / kLanes].set(c % kLanes, inverse_std(one_image, group_var[g]));
        }
    }

    template <class T>
    void forward(const T *x, Dropout dropout, T *y) const {
        Channels<K> mean, scale;
        moments(x, mean, scale);
        for (int k = 0; k < vectors(); k++) scale[k] *= weight[k];
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at);
                store(y + at, dropout(value * sigmoid(value * v[k]) * scale[k] + bias[k]));
            }
    }

    // With d = dL/dy and the mean over a group:
    //     dx = weight r d (s + v x s (1 - s)) - r^3 (x - mean) mean(weight d x s).
    template <class T>
    void backward(const T *x, const T *dy, Dropout dropout, T *dx, float *gradients) const {
        Channels<K> mean, rstd, scale, slope, dweight, dbias = {}, dv, sum_swish = {}, sum_v = {};
        moments(x, mean, rstd);
        Dropout again = dropout;  // the second loop draws the same mask
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at), d = dropout(load(dy + at)), s = sigmoid(value * v[k]);
                const f32x16 d_swish = d * value * s;
                dbias[k] += d;
                sum_swish[k] += d_swish;
                sum_v[k] += d_swish * value * (1 - s);
            }
        double totals[(K ? K : kMaxVectors) * kLanes] = {};  // of groups
        for (int64_t c = 0; c < channels(); c++)
            totals[one_image.region(0, c)] +=
                (double)weight[c / kLanes][c % kLanes] * sum_swish[c / kLanes][c % kLanes];
        for (int k = 0; k < vectors(); k++) {
            for (int lane = 0; lane < kLanes; lane++) {
                const int64_t g = one_image.region(0, k * kLanes + lane);
                slope[k].set(lane, (float)(totals[g] / one_image.count(g)));
            }
            slope[k] *= rstd[k] * rstd[k] * rstd[k];
            scale[k] = rstd[k] * weight[k];
            dweight[k] = sum_swish[k] * rstd[k];
            dv[k] = sum_v[k] * scale[k];
        }
        this->store_channels(gradients, dweight);
        this->store_channels(gradients + channels(), dbias);
        this->store_channels(gradients + 2 * channels(), dv);
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < vectors(); k++) {
                const int64_t at = (p * vectors() + k) * kLanes;
                const f32x16 value = load(x + at), d = again(load(dy + at)), s = sigmoid(value * v[k]);
                store(dx + at, d * scale[k] * s * (1 + v[k] * value * (1 - s)) - (value - mean[k]) * slope[k]);
            }
    }
};

}  // namespace

EXPORT_PER_IMAGE_NORM(filter_response, FilterResponse)
EXPORT_PER_IMAGE_NORM(evo_norm, EvoNorm)
