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
    float keep_scale() const { return 65536.0f / (65536 - drop); }  // 1 / (1 - p)
};

namespace {

inline const NormDesc &norm_desc(const OpArgs &args) { return *(const NormDesc *)args.desc; }

// Instantiates `call` for the dtype and for the vectors of a pixel, 1 or 2, so that loops over channels unroll.
template <class Call>
void dispatch(const NormDesc &desc, const Call &call) {
    if (desc.groups < 1 || desc.channels() % desc.groups) unsupported("norm", "number of groups", desc.groups);
    dispatch_dtype("norm", desc.bf16, [&](auto dtype) {
        switch (desc.vectors) {
            case 1: return call(dtype, Constant<1>{});
            case 2: return call(dtype, Constant<2>{});
        }
        unsupported("norm", "number of channels", desc.channels());
    });
}

template <int K>
void load_channels(const float *from, f32x16 (&to)[K]) {
    for (int k = 0; k < K; k++) to[k] = load(from + k * kLanes);
}

inline float inverse_std(const NormDesc &desc, float var) { return 1.0f / std::sqrt(var + desc.eps); }

// Each channel of one image: its mean, and the sum of squared deviations from that mean. The loop sums deviations from
// the first pixel, because squares of the values themselves cancel where the mean is large beside the standard
// deviation.
template <class T, int K>
void image_moments(const NormDesc &desc, const T *x, float *mean, float *squares) {
    f32x16 shift[K], sum[K] = {}, sum_squares[K] = {};
    for (int k = 0; k < K; k++) shift[k] = load(x + k * kLanes);
    const int64_t pixels = desc.pixels;
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const f32x16 d = load(x + (p * K + k) * kLanes) - shift[k];
            sum[k] += d;
            sum_squares[k] += d * d;
        }
    const float count = (float)pixels;
    for (int k = 0; k < K; k++) {
        store(mean + k * kLanes, shift[k] + sum[k] / count);
        store(squares + k * kLanes, sum_squares[k] - sum[k] * sum[k] / count);
    }
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
