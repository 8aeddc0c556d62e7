// Passes over activations that PyTorch makes one by one, made together: a norm, the ReLU and the dropout behind it.
// Each image is summed by itself, so the number of threads changes no bit.
#include <cmath>

#include "vectors.h"

namespace {

// 512 random bits a call: xoshiro128++ (Blackman & Vigna 2021) in 16 lanes, seeded by splitmix64.
struct Random {
    Words state[4];

    explicit Random(uint64_t seed) {
        for (auto &words : state)
            for (int lane = 0; lane < kLanes; lane++) {
                uint64_t mixed = seed += 0x9e3779b97f4a7c15u;
                mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
                mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
                words[lane] = (uint32_t)((mixed ^ (mixed >> 31)) >> 32);
            }
    }

    static Words rotated(Words words, int by) { return (words << by) | (words >> (32 - by)); }

    Words next() {
        const Words result = rotated(state[0] + state[3], 7) + state[0], shifted = state[1] << 9;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = rotated(state[3], 11);
        return result;
    }
};

}  // namespace

// A layer: `images` images of `pixels` pixels. A mean and a variance are taken over each set: the neighbouring
// `set_images` images and `channels / groups` channels. Batch norm has one set a channel, group norm sets of one image.
struct Layer {
    int64_t images, pixels, vectors, groups, set_images;
    float eps;
    int32_t relu;           // whether y = max(y, 0)
    int32_t drop;           // of 65,536 outputs, how many are zero in the mean; only with relu
    int32_t threads;
    uint64_t seed;          // of what is dropped
    float momentum;         // of running statistics

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

// Where the numbers of the sets of an image stand, spread over its channels.
template <int K>
struct Spread {
    Floats mean[K], rstd[K];
};

template <int K>
Spread<K> spread(const Layer &layer, int64_t image, const float *mean, const float *rstd) {
    Spread<K> of;
    for (int64_t c = 0; c < K * kLanes; c++) {
        const int64_t set = layer.set(image, c);
        of.mean[c / kLanes][c % kLanes] = mean[set];
        of.rstd[c / kLanes][c % kLanes] = rstd[set];
    }
    return of;
}

template <int K>
void read_channels(const float *from, Floats (&to)[K]) {
    for (int k = 0; k < K; k++) to[k] = load(from + k * kLanes);
}

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
void set_moments(const Layer &layer, int64_t set, const float *means, const float *squares, float *mean, float *var) {
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

template <class T, int K>
void image_forward(const Layer &layer, int64_t image, const T *x, const float *mean, const float *rstd,
                   const float *weight, const float *bias, T *y) {
    const Spread<K> of = spread<K>(layer, image, mean, rstd);
    Floats scale[K], shift[K];
    read_channels<K>(weight, scale);
    read_channels<K>(bias, shift);
    for (int k = 0; k < K; k++) scale[k] *= of.rstd[k];
    // Copies: what is stored into y could, for all the compiler knows, change the layer.
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu;
    const auto normalized = [&](int64_t p, int k) {
        const Floats z = (load(x + (p * K + k) * kLanes) - of.mean[k]) * scale[k] + shift[k];
        return relu ? (z < 0 ? Floats{} : z) : z;  // not (z > 0 ? z : 0), which hides a NaN
    };
    if (layer.drop == 0) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) store(y + (p * K + k) * kLanes, normalized(p, k));
        return;
    }
    Random random(layer.seed + (uint64_t)image * 0x632be59bd9b4e019u);
    const float kept_scale = layer.kept_scale();
    const uint32_t drop = (uint32_t)layer.drop;
    Words words = {};
    for (int64_t i = 0; i < pixels * K; i++) {
        words = i % 2 ? words >> 16 : random.next();  // 16 of a word's 32 bits decide
        const Floats z = normalized(i / K, i % K) * kept_scale;
        store(y + i * kLanes, (words & 0xffff) < drop ? Floats{} : z);
    }
}

// The gradient at the norm's own output: none came from where y was cut off or dropped.
template <class T>
inline Floats gradient(bool relu, const T *d_y, const T *y, float kept_scale) {
    const Floats d = load(d_y);
    return relu ? (load(y) <= 0 ? Floats{} : d * kept_scale) : d;
}

template <class T, int K>
void image_sums(const Layer &layer, int64_t image, const T *x, const T *y, const T *d_y, const float *mean,
                const float *rstd, float *sum, float *sum_x) {
    const Spread<K> of = spread<K>(layer, image, mean, rstd);
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu;
    const float kept_scale = layer.kept_scale();
    Floats d_sum[K] = {}, d_sum_x[K] = {};
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t at = (p * K + k) * kLanes;
            const Floats d = gradient(relu, d_y + at, y + at, kept_scale);
            d_sum[k] += d;
            d_sum_x[k] += d * (load(x + at) - of.mean[k]);
        }
    for (int k = 0; k < K; k++) {
        store(sum + k * kLanes, d_sum[k]);
        store(sum_x + k * kLanes, d_sum_x[k] * of.rstd[k]);
    }
}

// dL/dx = rstd (g - mean(g) - x^ mean(g x^)) with g = weight dL/dy, and x^ the normalized x: the means over a set.
void set_means(const Layer &layer, int64_t set, const float *sums, const float *sums_x, const float *weight,
               float *mean_g, float *mean_gx) {
    const int64_t channels = layer.channels();
    double total = 0, total_x = 0;
    for (int64_t n = layer.first_image(set); n < layer.last_image(set); n++)
        for (int64_t c = layer.first_channel(set); c < layer.last_channel(set); c++) {
            total += (double)weight[c] * sums[n * channels + c];
            total_x += (double)weight[c] * sums_x[n * channels + c];
        }
    mean_g[set] = (float)(total / layer.size(set));
    mean_gx[set] = (float)(total_x / layer.size(set));
}

template <class T, int K>
void image_backward(const Layer &layer, int64_t image, const T *x, const T *y, const T *d_y, const float *mean,
                    const float *rstd, const float *weight, const float *mean_g, const float *mean_gx, T *d_x) {
    const Spread<K> of = spread<K>(layer, image, mean, rstd), means = spread<K>(layer, image, mean_g, mean_gx);
    Floats scale[K], slope[K], offset[K];
    read_channels<K>(weight, scale);
    for (int k = 0; k < K; k++) {
        scale[k] *= of.rstd[k];
        slope[k] = of.rstd[k] * of.rstd[k] * means.rstd[k];
        offset[k] = of.rstd[k] * means.mean[k];
    }
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu;
    const float kept_scale = layer.kept_scale();
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t at = (p * K + k) * kLanes;
            const Floats d = gradient(relu, d_y + at, y + at, kept_scale);
            store(d_x + at, d * scale[k] - offset[k] - (load(x + at) - of.mean[k]) * slope[k]);
        }
}

float rstd_of(const Layer &layer, float var) { return 1.0f / std::sqrt(var + layer.eps); }

// As in PyTorch: r <- (1 - momentum) r + momentum s, the variance with n / (n - 1); for sets of one channel each.
void move_running(const Layer &layer, const float *mean, const float *var, float *running_mean, float *running_var) {
    for (int64_t set = 0; set < layer.sets(); set++) {
        float *to_mean = running_mean + set % layer.groups, *to_var = running_var + set % layer.groups;
        const float count = layer.size(set);
        *to_mean += layer.momentum * (mean[set] - *to_mean);
        *to_var += layer.momentum * (var[set] * count / (count - 1) - *to_var);
    }
}

// statistics: mean and 1 / sqrt(var + eps) of each set. scratch: two floats for each image and channel, one for each
// set. running_mean: null if there are none.
template <class T, int K>
void forward(const Layer &layer, const T *x, const float *weight, const float *bias, T *y, float *statistics,
             float *scratch, float *running_mean, float *running_var) {
    const int64_t channels = K * kLanes, size = layer.pixels * channels, sets = layer.sets(), groups = layer.groups;
    float *mean = statistics, *rstd = statistics + sets;
    float *means = scratch, *squares = means + layer.images * channels, *var = squares + layer.images * channels;
#pragma omp parallel num_threads(layer.threads)
    if (layer.set_images == 1) {  // an image at a time, while it is in the cache
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++) {
            image_moments<T, K>(layer, x + n * size, means + n * channels, squares + n * channels);
            for (int64_t set = n * groups; set < (n + 1) * groups; set++) {
                set_moments(layer, set, means, squares, mean, var);
                rstd[set] = rstd_of(layer, var[set]);
            }
            image_forward<T, K>(layer, n, x + n * size, mean, rstd, weight, bias, y + n * size);
        }
    } else {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++)
            image_moments<T, K>(layer, x + n * size, means + n * channels, squares + n * channels);
#pragma omp for schedule(static)
        for (int64_t set = 0; set < sets; set++) {
            set_moments(layer, set, means, squares, mean, var);
            rstd[set] = rstd_of(layer, var[set]);
        }
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++)
            image_forward<T, K>(layer, n, x + n * size, mean, rstd, weight, bias, y + n * size);
    }
    if (running_mean) move_running(layer, mean, var, running_mean, running_var);
}

// d_affine: the gradients of weight and bias. scratch: two floats for each image and channel, and two for each set.
template <class T, int K>
void backward(const Layer &layer, const T *x, const T *y, const T *d_y, const float *statistics, const float *weight,
              T *d_x, float *d_affine, float *scratch) {
    const int64_t channels = K * kLanes, size = layer.pixels * channels, sets = layer.sets(), groups = layer.groups;
    const float *mean = statistics, *rstd = statistics + sets;
    float *sums = scratch, *sums_x = sums + layer.images * channels;
    float *mean_g = sums_x + layer.images * channels, *mean_gx = mean_g + sets;
    const auto sum = [&](int64_t n) {
        image_sums<T, K>(layer, n, x + n * size, y + n * size, d_y + n * size, mean, rstd, sums + n * channels,
                         sums_x + n * channels);
    };
    const auto finish = [&](int64_t n) {
        image_backward<T, K>(layer, n, x + n * size, y + n * size, d_y + n * size, mean, rstd, weight, mean_g, mean_gx,
                             d_x + n * size);
    };
#pragma omp parallel num_threads(layer.threads)
    if (layer.set_images == 1) {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++) {
            sum(n);
            for (int64_t set = n * groups; set < (n + 1) * groups; set++)
                set_means(layer, set, sums, sums_x, weight, mean_g, mean_gx);
            finish(n);
        }
    } else {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++) sum(n);
#pragma omp for schedule(static)
        for (int64_t set = 0; set < sets; set++)
            set_means(layer, set, sums, sums_x, weight, mean_g, mean_gx);
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++) finish(n);
    }
    float *d_weight = d_affine, *d_bias = d_affine + channels;
    memset(d_affine, 0, 2 * channels * sizeof *d_affine);
    for (int64_t n = 0; n < layer.images; n++)
        for (int64_t c = 0; c < channels; c++) {
            d_weight[c] += sums_x[n * channels + c];
            d_bias[c] += sums[n * channels + c];
        }
}

}  // namespace

// What Python calls. `bf16`: whether activations are bfloat16, else float32; all else is float32.
extern "C" {

void norm_forward(const Layer *layer, int bf16, const void *x, const float *weight, const float *bias, void *y,
                  float *statistics, float *scratch, float *running_mean, float *running_var) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        forward<T, vectors.value>(*layer, (const T *)x, weight, bias, (T *)y, statistics, scratch, running_mean,
                                  running_var);
    });
}

void norm_backward(const Layer *layer, int bf16, const void *x, const void *y, const void *d_y,
                   const float *statistics, const float *weight, void *d_x, float *d_affine, float *scratch) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        backward<T, vectors.value>(*layer, (const T *)x, (const T *)y, (const T *)d_y, statistics, weight, (T *)d_x,
                                   d_affine, scratch);
    });
}
}
