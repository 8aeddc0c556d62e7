// Passes over activations that PyTorch makes one by one, made together: a norm, the ReLU and the dropout behind it.
// Each image is summed by itself, so the number of threads changes no bit.
#include "dropout.h"
#include "layer.h"

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

// An image's way through the norm itself: z = (x - mean) scale + shift, channel by channel.
template <int K>
struct Affine {
    Floats mean[K], rstd[K], scale[K], shift[K];

    Affine(const Layer &layer, int64_t image, const float *means, const float *rstds, const float *weight,
           const float *bias) {
        const Spread<K> of = spread<K>(layer, image, means, rstds);
        read_channels<K>(weight, scale);
        read_channels<K>(bias, shift);
        for (int k = 0; k < K; k++) {
            mean[k] = of.mean[k];
            rstd[k] = of.rstd[k];
            scale[k] *= rstd[k];
        }
    }
    Floats operator()(Floats centered, int k) const { return centered * scale[k] + shift[k]; }
};

template <class T, int K>
void image_forward(const Layer &layer, int64_t image, const T *x, const float *mean, const float *rstd,
                   const float *weight, const float *bias, T *y) {
    const Affine<K> affine(layer, image, mean, rstd, weight, bias);
    // Copies: what is stored into y could, for all the compiler knows, change the layer.
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu;
    const auto normalized = [&](int64_t p, int k) {
        return relu_of(relu, affine(load(x + (p * K + k) * kLanes) - affine.mean[k], k));
    };
    if (layer.drop == 0) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) store(y + (p * K + k) * kLanes, normalized(p, k));
        return;
    }
    Mask mask(layer, image);
    for (int64_t i = 0; i < pixels * K; i++) store(y + i * kLanes, mask(normalized(i / K, i % K)));
}

// The gradient at z. Without dropout it is z itself that says what the ReLU let through, and y need not be read.
template <class T, int K>
inline Floats gradient_at(const Affine<K> &affine, Floats centered, int k, const T *d_y, const T *y, bool relu,
                          bool drops, float kept_scale) {
    return drops ? gradient(relu, d_y, y, kept_scale) : through_relu(relu, affine(centered, k), load(d_y));
}

template <class T, int K>
void image_sums(const Layer &layer, int64_t image, const T *x, const T *y, const T *d_y, const float *mean,
                const float *rstd, const float *weight, const float *bias, float *sum, float *sum_x) {
    const Affine<K> affine(layer, image, mean, rstd, weight, bias);
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu, drops = layer.drop > 0;
    const float kept_scale = layer.kept_scale();
    Floats d_sum[K] = {}, d_sum_x[K] = {};
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t at = (p * K + k) * kLanes;
            const Floats centered = load(x + at) - affine.mean[k];
            const Floats d = gradient_at(affine, centered, k, d_y + at, y + at, relu, drops, kept_scale);
            d_sum[k] += d;
            d_sum_x[k] += d * centered;
        }
    for (int k = 0; k < K; k++) {
        store(sum + k * kLanes, d_sum[k]);
        store(sum_x + k * kLanes, d_sum_x[k] * affine.rstd[k]);
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
                    const float *rstd, const float *weight, const float *bias, const float *mean_g,
                    const float *mean_gx, T *d_x) {
    const Affine<K> affine(layer, image, mean, rstd, weight, bias);
    const Spread<K> means = spread<K>(layer, image, mean_g, mean_gx);
    Floats slope[K], offset[K];
    for (int k = 0; k < K; k++) {
        slope[k] = affine.rstd[k] * affine.rstd[k] * means.rstd[k];
        offset[k] = affine.rstd[k] * means.mean[k];
    }
    const int64_t pixels = layer.pixels;
    const bool relu = layer.relu, drops = layer.drop > 0;
    const float kept_scale = layer.kept_scale();
    for (int64_t p = 0; p < pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t at = (p * K + k) * kLanes;
            const Floats centered = load(x + at) - affine.mean[k];
            const Floats d = gradient_at(affine, centered, k, d_y + at, y + at, relu, drops, kept_scale);
            store(d_x + at, d * affine.scale[k] - offset[k] - centered * slope[k]);
        }
}

// As in PyTorch: r <- (1 - momentum) r + momentum s, the variance with n / (n - 1); for sets of one channel each.
void move_running(const Layer &layer, const float *mean, const float *var, float *running_mean, float *running_var) {
    for (int64_t set = 0; set < layer.sets(); set++) {
        float *to_mean = running_mean + set % layer.groups, *to_var = running_var + set % layer.groups;
        const float count = layer.size(set);
        *to_mean += layer.momentum * (mean[set] - *to_mean);
        *to_var += layer.momentum * (var[set] * count / (count - 1) - *to_var);
    }
}

// The mean and the biased variance of each set. scratch: two floats for each image and channel.
template <class T, int K>
void moments(const Layer &layer, const T *x, float *mean, float *var, float *scratch) {
    const int64_t channels = K * kLanes, size = layer.pixels * channels;
    float *means = scratch, *squares = means + layer.images * channels;
#pragma omp parallel num_threads(layer.threads)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++)
            image_moments<T, K>(layer, x + n * size, means + n * channels, squares + n * channels);
#pragma omp for schedule(static)
        for (int64_t set = 0; set < layer.sets(); set++) set_moments(layer, set, means, squares, mean, var);
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

// y is read with dropout only. d_affine: the gradients of weight and bias. scratch: two floats for each image and
// channel, and two for each set.
template <class T, int K>
void backward(const Layer &layer, const T *x, const T *y, const T *d_y, const float *statistics, const float *weight,
              const float *bias, T *d_x, float *d_affine, float *scratch) {
    const int64_t channels = K * kLanes, size = layer.pixels * channels, sets = layer.sets(), groups = layer.groups;
    const float *mean = statistics, *rstd = statistics + sets;
    float *sums = scratch, *sums_x = sums + layer.images * channels;
    float *mean_g = sums_x + layer.images * channels, *mean_gx = mean_g + sets;
    const auto sum = [&](int64_t n) {
        image_sums<T, K>(layer, n, x + n * size, y + n * size, d_y + n * size, mean, rstd, weight, bias,
                         sums + n * channels, sums_x + n * channels);
    };
    const auto finish = [&](int64_t n) {
        image_backward<T, K>(layer, n, x + n * size, y + n * size, d_y + n * size, mean, rstd, weight, bias, mean_g,
                             mean_gx, d_x + n * size);
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

void norm_moments(const Layer *layer, int bf16, const void *x, float *mean, float *var, float *scratch) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        moments<T, vectors.value>(*layer, (const T *)x, mean, var, scratch);
    });
}

void norm_forward(const Layer *layer, int bf16, const void *x, const float *weight, const float *bias, void *y,
                  float *statistics, float *scratch, float *running_mean, float *running_var) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        forward<T, vectors.value>(*layer, (const T *)x, weight, bias, (T *)y, statistics, scratch, running_mean,
                                  running_var);
    });
}

void norm_backward(const Layer *layer, int bf16, const void *x, const void *y, const void *d_y,
                   const float *statistics, const float *weight, const float *bias, void *d_x, float *d_affine,
                   float *scratch) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        backward<T, vectors.value>(*layer, (const T *)x, (const T *)y, (const T *)d_y, statistics, weight, bias,
                                   (T *)d_x, d_affine, scratch);
    });
}
}
