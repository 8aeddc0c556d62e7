// The descriptor of the norms, and the moments (mean and variance) of images.
#pragma once
#include <cmath>

#include "dispatch.h"
#include "graph.h"
#include "vectors.h"

// A norm of activations [num_images][pixels][channels], with its epilogue: an optional ReLU, then optional dropout.
//
// A mean and a variance are taken over each reduction region: all pixels of `region_images` consecutive images and of
// `channels / groups` consecutive channels. Batch norm has one region a channel, with all images. Group norm has
// `groups` regions an image. The last region_images may be fewer.
struct NormDesc {
    int64_t num_images, pixels, vectors, groups, region_images;
    float eps;
    int32_t relu;    // 1: y = max(y, 0)
    int32_t drop;    // dropout's probability in units of 1 / 65,536
    float momentum;  // of running statistics
    int32_t bf16;    // 1: activations are bfloat16, 0: float32; all else is float32

    int64_t channels() const { return vectors * kLanes; }
    int64_t num_regions() const { return (num_images + region_images - 1) / region_images * groups; }
    int64_t region(int64_t image, int64_t channel) const {
        return image / region_images * groups + channel * groups / channels();
    }
    int64_t image_begin(int64_t region) const { return region / groups * region_images; }
    int64_t image_end(int64_t region) const {
        const int64_t end = image_begin(region) + region_images;
        return end < num_images ? end : num_images;
    }
    int64_t channel_begin(int64_t region) const { return region % groups * (channels() / groups); }
    int64_t channel_end(int64_t region) const { return channel_begin(region) + channels() / groups; }
    float count(int64_t region) const {  // of the values in a region
        return (float)((image_end(region) - image_begin(region)) * pixels * (channels() / groups));
    }
};

namespace {

inline const NormDesc &norm_desc(const OpArgs &args) { return *(const NormDesc *)args.desc; }

inline void check(const NormDesc &desc) {
    if (desc.vectors < 1) unsupported("norm", "number of channels", desc.channels());
    if (desc.groups < 1 || desc.channels() % desc.groups) unsupported("norm", "number of groups", desc.groups);
}

// Calls `call(dtype, k, first)` for blocks of k vectors from channel `first` on, which together are the channels of a
// pixel. k is 2, or 1 for the last block: loops over the vectors of a block unroll, and their sums stay in registers.
template <class Call>
void for_each_block(const NormDesc &desc, const Call &call) {
    check(desc);
    dispatch_dtype("norm", desc.bf16, [&](auto dtype) {
        const int64_t channels = desc.channels();
        int64_t first = 0;
        for (; first + 2 * kLanes <= channels; first += 2 * kLanes) call(dtype, Constant<2>{}, first);
        if (first < channels) call(dtype, Constant<1>{}, first);
    });
}

template <int K>
void load_channels(const float *from, f32x16 (&to)[K]) {
    for (int k = 0; k < K; k++) to[k] = load(from + k * kLanes);
}

inline float inverse_std(const NormDesc &desc, float var) { return 1.0f / std::sqrt(var + desc.eps); }

// Each channel in a block of K vectors of one image: its mean, and the sum of squared deviations from that mean. The
// loop sums deviations from the first pixel, because squares of the values themselves cancel where the mean is large
// beside the standard deviation.
template <class T, int K>
void block_moments(const NormDesc &desc, const T *x, float *mean, float *squares) {
    f32x16 shift[K], sum[K] = {}, sum_squares[K] = {};
    for (int k = 0; k < K; k++) shift[k] = load(x + k * kLanes);
    const int64_t pixels = desc.pixels, channels = desc.channels();
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const f32x16 d = load(x + p * channels + k * kLanes) - shift[k];
            sum[k] += d;
            sum_squares[k] += d * d;
        }
    const float count = (float)pixels;
    for (int k = 0; k < K; k++) {
        store(mean + k * kLanes, shift[k] + sum[k] / count);
        store(squares + k * kLanes, sum_squares[k] - sum[k] * sum[k] / count);
    }
}

// The block_moments of all channels of an image.
inline void image_moments(const NormDesc &desc, const void *image, float *mean, float *squares) {
    for_each_block(desc, [&](auto dtype, auto k, int64_t first) {
        using T = decltype(dtype);
        block_moments<T, k.value>(desc, (const T *)image + first, mean + first, squares + first);
    });
}

// The mean and the biased variance of a region, from the image_moments of its images and channels, [image][channel].
// Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance".
inline void region_moments(const NormDesc &desc, int64_t region, const float *means, const float *squares, float *mean,
                           float *var) {
    const int64_t channels = desc.channels();
    const double count = desc.count(region);
    double total = 0, spread = 0;
    for (int64_t n = desc.image_begin(region); n < desc.image_end(region); n++)
        for (int64_t c = desc.channel_begin(region); c < desc.channel_end(region); c++)
            total += means[n * channels + c];
    const double center = total * desc.pixels / count;
    for (int64_t n = desc.image_begin(region); n < desc.image_end(region); n++)
        for (int64_t c = desc.channel_begin(region); c < desc.channel_end(region); c++) {
            const double d = means[n * channels + c] - center;
            spread += squares[n * channels + c] + desc.pixels * d * d;
        }
    mean[region] = (float)center;
    var[region] = (float)(spread / count);
}

}  // namespace
