// The passes over one image of a norm with precomputed statistics, forward and backward. A call computes a block of K
// vectors of each pixel; x, y, dy, dx and the sums point to the first channel of the block.
//
//     y = epilogue(z),  z = weight x^ + bias,  x^ = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)
//
// mean and rstd belong to reduction regions (see NormDesc); weight and bias are [channels].
#pragma once
#include "epilogue.h"

namespace {

// Two values of each region of an image, broadcast to the channels of the block that starts at channel `begin`.
template <int K>
struct PerChannel {
    f32x16 first[K], second[K];

    PerChannel(const NormDesc &desc, int64_t image, int64_t begin, const float *firsts, const float *seconds) {
        for (int64_t c = 0; c < K * kLanes; c++) {
            const int64_t region = desc.region(image, begin + c);
            first[c / kLanes].set(c % kLanes, firsts[region]);
            second[c / kLanes].set(c % kLanes, seconds[region]);
        }
    }
};

// z = (x - mean) scale + bias for a block of one image, with scale = weight rstd. Passed by value: for all the compiler knows, a
// store to y could change what a reference points to, which it would then load again for each vector.
template <int K>
struct Affine {
    f32x16 mean[K], rstd[K], scale[K], bias[K];

    Affine(const NormDesc &desc, int64_t image, int64_t begin, const float *means, const float *rstds,
           const float *weights, const float *biases) {
        const PerChannel<K> statistics(desc, image, begin, means, rstds);
        load_channels<K>(weights + begin, scale);
        load_channels<K>(biases + begin, bias);
        for (int k = 0; k < K; k++) {
            mean[k] = statistics.first[k];
            rstd[k] = statistics.second[k];
            scale[k] *= rstd[k];
        }
    }
    f32x16 operator()(f32x16 centered, int k) const { return centered * scale[k] + bias[k]; }
};

template <class T, int K>
void normalize_image(const NormDesc &desc, Affine<K> affine, const T *x, Dropout dropout, T *y) {
    const int64_t pixels = desc.pixels, channels = desc.channels();
    const Relu relu(desc.relu);
    const auto for_each_vector = [&](const auto &finish) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = p * channels + k * kLanes;
                store(y + at, finish(relu(affine(load(x + at) - affine.mean[k], k))));
            }
    };
    if (desc.drop == 0)
        for_each_vector([](f32x16 z) { return z; });
    else
        for_each_vector([&](f32x16 z) { return dropout(z); });
}

// Calls `call` with a function dz(centered, k, offset) that gives dL/dz of the vector at x + offset. Without dropout
// the ReLU's mask is computed again from z, so that y is not read; with dropout it is read from y.
template <class T, int K, class Call>
inline void with_dz(const NormDesc &desc, const Affine<K> &affine, const T *y, const T *dy, const Call &call) {
    const Relu relu(desc.relu);
    const float keep_scale = keep_scale_of(desc.drop);
    if (desc.drop)
        call([&](f32x16, int, int64_t at) { return epilogue_backward(relu, dy + at, y + at, keep_scale); });
    else
        call([&](f32x16 centered, int k, int64_t at) { return relu.backward(affine(centered, k), load(dy + at)); });
}

// The sums over an image's pixels of dz and of dz x^: this image's share of the gradients of bias and weight.
template <class T, int K>
void sum_image_gradients(const NormDesc &desc, Affine<K> affine, const T *x, const T *y, const T *dy,
                         float *sum_dz, float *sum_dzx) {
    const int64_t pixels = desc.pixels, channels = desc.channels();
    with_dz<T, K>(desc, affine, y, dy, [&](const auto &dz) {
        f32x16 sum[K] = {}, sum_centered[K] = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = p * channels + k * kLanes;
                const f32x16 centered = load(x + at) - affine.mean[k], d = dz(centered, k, at);
                sum[k] += d;
                sum_centered[k] += d * centered;
            }
        for (int k = 0; k < K; k++) {
            store(sum_dz + k * kLanes, sum[k]);
            store(sum_dzx + k * kLanes, sum_centered[k] * affine.rstd[k]);
        }
    });
}

// The means over a region of g = weight dz and of g x^, from the sums of its images and channels, [image][channel].
void region_gradient_means(const NormDesc &desc, int64_t region, const float *sums_dz, const float *sums_dzx,
                           const float *weight, float *mean_g, float *mean_gx) {
    const int64_t channels = desc.channels();
    double total = 0, total_x = 0;
    for (int64_t n = desc.image_begin(region); n < desc.image_end(region); n++)
        for (int64_t c = desc.channel_begin(region); c < desc.channel_end(region); c++) {
            total += (double)weight[c] * sums_dz[n * channels + c];
            total_x += (double)weight[c] * sums_dzx[n * channels + c];
        }
    mean_g[region] = (float)(total / desc.count(region));
    mean_gx[region] = (float)(total_x / desc.count(region));
}

// dx = rstd (g - mean(g) - x^ mean(g x^)), the means over the region.
template <class T, int K>
void differentiate_image(const NormDesc &desc, Affine<K> affine, const PerChannel<K> &means, const T *x,
                         const T *y, const T *dy, T *dx) {
    f32x16 slope[K], offset[K];
    for (int k = 0; k < K; k++) {
        slope[k] = affine.rstd[k] * affine.rstd[k] * means.second[k];
        offset[k] = affine.rstd[k] * means.first[k];
    }
    const int64_t pixels = desc.pixels, channels = desc.channels();
    with_dz<T, K>(desc, affine, y, dy, [&](const auto &dz) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = p * channels + k * kLanes;
                const f32x16 centered = load(x + at) - affine.mean[k], d = dz(centered, k, at);
                store(dx + at, d * affine.scale[k] - offset[k] - centered * slope[k]);
            }
    });
}

}  // namespace
