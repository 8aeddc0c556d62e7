// What a norm layer is, and the moments of its images.
#pragma once
#include <cmath>

#include "chain.h"
#include "vectors.h"

// A layer: `images` images of `pixels` pixels. A mean and a variance are taken over each set: the neighbouring
// `set_images` images and `channels / groups` channels. Batch norm has one set a channel, group norm sets of one image.
struct Layer {
    int64_t images, pixels, vectors, groups, set_images;
    float eps;
    int32_t relu;           // whether y = max(y, 0)
    int32_t drop;           // of 65,536 outputs, how many are zero in the mean; only with relu
    float momentum;         // of running statistics
    int32_t bf16;           // whether activations are bfloat16, else float32; all else is float32

    int64_t channels() const { return vectors * kLanes; }
    int64_t set(int64_t image, int64_t channel) const {
        return image / set_images * groups + channel * groups / channels();
    }
    int64_t sets() const { return (images + set_images - 1) / set_images * groups; }
    // The images [first, last) and channels [first, last) of a set.
    int64_t first_image(int64_t set) const { return set / groups * set_images; }
    int64_t last_image(int64_t set) const {
        const int64_t last = first_image(set) + set_images;
        return last < images ? last : images;
    }
    int64_t first_channel(int64_t set) const { return set % groups * (channels() / groups); }
    int64_t last_channel(int64_t set) const { return first_channel(set) + channels() / groups; }
    float size(int64_t set) const {
        return (float)((last_image(set) - first_image(set)) * pixels * (channels() / groups));
    }
    float kept_scale() const { return 65536.0f / (65536 - drop); }
};

namespace {

inline const Layer &layer_of(const Work &work) { return *(const Layer *)work.layer; }

// Calls with a number of the activations' type and the vectors of a pixel as a constant, so that loops unroll.
template <class Call>
void dispatch(const Layer &layer, const Call &call) {
    if (layer.bf16 && layer.vectors == 1) call(BFloat16{}, Constant<1>{});
    if (layer.bf16 && layer.vectors == 2) call(BFloat16{}, Constant<2>{});
    if (!layer.bf16 && layer.vectors == 1) call(float{}, Constant<1>{});
    if (!layer.bf16 && layer.vectors == 2) call(float{}, Constant<2>{});
}

template <int K>
void read_channels(const float *from, Floats (&to)[K]) {
    for (int k = 0; k < K; k++) to[k] = load(from + k * kLanes);
}

inline float rstd_of(const Layer &layer, float var) { return 1.0f / std::sqrt(var + layer.eps); }

// Mean and sum of squared distances from it, of each channel of one image. What is summed are distances from the first
// pixel: squares of the values themselves would cancel where the mean is large beside the spread.
template <class T, int K>
void image_moments(const Layer &layer, const T *x, float *mean, float *squares) {
    Floats shift[K], sum[K] = {}, sum_squares[K] = {};
    for (int k = 0; k < K; k++) shift[k] = load(x + k * kLanes);
    const int64_t pixels = layer.pixels;
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const Floats d = load(x + (p * K + k) * kLanes) - shift[k];
            sum[k] += d;
            sum_squares[k] += d * d;
        }
    const float count = (float)pixels;
    for (int k = 0; k < K; k++) {
        store(mean + k * kLanes, shift[k] + sum[k] / count);
        store(squares + k * kLanes, sum_squares[k] - sum[k] * sum[k] / count);
    }
}

// Chan, Golub & LeVeque 1983: the moments of a set from those of its channels, image by image.
inline void set_moments(const Layer &layer, int64_t set, const float *means, const float *squares, float *mean, float *var) {
    const int64_t channels = layer.channels();
    const double count = layer.size(set);
    double total = 0, spread = 0;
    for (int64_t n = layer.first_image(set); n < layer.last_image(set); n++)
        for (int64_t c = layer.first_channel(set); c < layer.last_channel(set); c++) total += means[n * channels + c];
    const double center = total * layer.pixels / count;
    for (int64_t n = layer.first_image(set); n < layer.last_image(set); n++)
        for (int64_t c = layer.first_channel(set); c < layer.last_channel(set); c++) {
            const double d = means[n * channels + c] - center;
            spread += squares[n * channels + c] + layer.pixels * d * d;
        }
    mean[set] = (float)center;
    var[set] = (float)(spread / count);
}

}  // namespace
