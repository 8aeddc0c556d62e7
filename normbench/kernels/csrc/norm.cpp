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
                   const float *weight, const float *bias, uint64_t seed, T *y) {
    const Affine<K> affine(layer, image, mean, rstd, weight, bias);
    // Copies: what is stored into y could, for all the compiler knows, change the layer.
    const int64_t pixels = layer.pixels;
    const Relu relu(layer.relu);
    const auto normalized = [&](int64_t p, int k) {
        return relu(affine(load(x + (p * K + k) * kLanes) - affine.mean[k], k));
    };
    if (layer.drop == 0) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) store(y + (p * K + k) * kLanes, normalized(p, k));
        return;
    }
    Mask mask(layer, seed, image);
    for (int64_t i = 0; i < pixels * K; i++) store(y + i * kLanes, mask(normalized(i / K, i % K)));
}

// Calls with a function that gives the gradient at z, of a vector that lies `at` so many numbers behind the image's
// first. Without dropout it is z itself that says what the ReLU let through, and y need not be read.
template <class T, int K, class Call>
inline void with_gradient(const Layer &layer, const Affine<K> &affine, const T *y, const T *d_y, const Call &call) {
    const Relu relu(layer.relu);
    const float kept_scale = layer.kept_scale();
    if (layer.drop)
        call([&](Floats, int, int64_t at) { return gradient(relu, d_y + at, y + at, kept_scale); });
    else
        call([&](Floats centered, int k, int64_t at) { return relu.through(affine(centered, k), load(d_y + at)); });
}

template <class T, int K>
void image_sums(const Layer &layer, int64_t image, const T *x, const T *y, const T *d_y, const float *mean,
                const float *rstd, const float *weight, const float *bias, float *sum, float *sum_x) {
    const Affine<K> affine(layer, image, mean, rstd, weight, bias);
    const int64_t pixels = layer.pixels;
    with_gradient<T, K>(layer, affine, y, d_y, [&](const auto &gradient_at) {
        Floats d_sum[K] = {}, d_sum_x[K] = {};
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats centered = load(x + at) - affine.mean[k], d = gradient_at(centered, k, at);
                d_sum[k] += d;
                d_sum_x[k] += d * centered;
            }
        for (int k = 0; k < K; k++) {
            store(sum + k * kLanes, d_sum[k]);
            store(sum_x + k * kLanes, d_sum_x[k] * affine.rstd[k]);
        }
    });
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
    with_gradient<T, K>(layer, affine, y, d_y, [&](const auto &gradient_at) {
        for (int64_t p = 0; p < pixels; p++)
            for (int k = 0; k < K; k++) {
                const int64_t at = (p * K + k) * kLanes;
                const Floats centered = load(x + at) - affine.mean[k], d = gradient_at(centered, k, at);
                store(d_x + at, d * affine.scale[k] - offset[k] - centered * slope[k]);
            }
    });
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

// The mean of each set, then its biased variance. scratch: two floats for each image and channel.
template <class T, int K>
void moments(const Layer &layer, const T *x, float *found, float *scratch, int threads) {
    const int64_t channels = K * kLanes, size = layer.pixels * channels;
    float *mean = found, *var = mean + layer.sets();
    float *means = scratch, *squares = means + layer.images * channels;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++)
            image_moments<T, K>(layer, x + n * size, means + n * channels, squares + n * channels);
#pragma omp for schedule(static)
        for (int64_t set = 0; set < layer.sets(); set++) set_moments(layer, set, means, squares, mean, var);
    }
}

// Where the numbers of a layer stand: in what is kept, mean and 1 / sqrt(var + eps) of each set; in scratch, two numbers
// for each image and channel, and two for each set.
struct Numbers {
    float *mean, *rstd, *of_images[2], *of_sets[2];

    Numbers(const Layer &layer, const Work &work) {
        const int64_t sets = layer.sets(), each = layer.images * layer.channels();
        mean = (float *)work.kept, rstd = mean + sets;
        of_images[0] = (float *)work.scratch, of_images[1] = of_images[0] + each;
        of_sets[0] = of_images[1] + each, of_sets[1] = of_sets[0] + sets;
    }
};

void finish_statistics(const Layer &layer, const Numbers &to, int64_t set) {
    set_moments(layer, set, to.of_images[0], to.of_images[1], to.mean, to.of_sets[0]);
    to.rstd[set] = rstd_of(layer, to.of_sets[0][set]);
}

void find_moments(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
    const int64_t first = at.image * layer.channels();
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        image_moments<T, k.value>(layer, work.x.at<T>(at), to.of_images[0] + first, to.of_images[1] + first);
    });
}

void find_statistics(const Work &work) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
#pragma omp for schedule(static)
    for (int64_t set = 0; set < layer.sets(); set++) finish_statistics(layer, to, set);
}

void normalize(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers with(layer, work);
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        image_forward<T, k.value>(layer, at.image, work.x.at<T>(at), with.mean, with.rstd, work.parameters[0],
                                  work.parameters[1], work.seed, work.y.at<T>(at));
    });
}

void normalize_alone(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
    find_moments(work, at);
    for (int64_t set = at.image * layer.groups; set < (at.image + 1) * layer.groups; set++)
        finish_statistics(layer, to, set);
    normalize(work, at);
}

// buffers: running mean and variance, and the count of batches, or null.
void move_running(const Work &work) {
    if (!work.buffers[0]) return;
    const Layer &layer = layer_of(work);
    const Numbers from(layer, work);
#pragma omp single nowait
    {
        move_running(layer, from.mean, from.of_sets[0], (float *)work.buffers[0], (float *)work.buffers[1]);
        *(int64_t *)work.buffers[2] += layer.sets() / layer.groups;
    }
}

void sum_gradients(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
    const int64_t first = at.image * layer.channels();
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        image_sums<T, k.value>(layer, at.image, work.x.at<T>(at), work.y.at<T>(at), work.d_y.at<T>(at), to.mean,
                               to.rstd, work.parameters[0], work.parameters[1], to.of_images[0] + first,
                               to.of_images[1] + first);
    });
}

void find_means(const Work &work) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
#pragma omp for schedule(static)
    for (int64_t set = 0; set < layer.sets(); set++)
        set_means(layer, set, to.of_images[0], to.of_images[1], work.parameters[0], to.of_sets[0], to.of_sets[1]);
}

void differentiate(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers with(layer, work);
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        image_backward<T, k.value>(layer, at.image, work.x.at<T>(at), work.y.at<T>(at), work.d_y.at<T>(at), with.mean,
                                   with.rstd, work.parameters[0], work.parameters[1], with.of_sets[0],
                                   with.of_sets[1], work.d_x.at<T>(at));
    });
}

void differentiate_alone(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const Numbers to(layer, work);
    sum_gradients(work, at);
    for (int64_t set = at.image * layer.groups; set < (at.image + 1) * layer.groups; set++)
        set_means(layer, set, to.of_images[0], to.of_images[1], work.parameters[0], to.of_sets[0], to.of_sets[1]);
    differentiate(work, at);
}

void sum_parameters(const Work &work) {
    const Layer &layer = layer_of(work);
    const Numbers from(layer, work);
    const int64_t channels = layer.channels();
    float *d_weight = work.gradients[0], *d_bias = work.gradients[1];
#pragma omp single nowait
    {
        for (int64_t c = 0; c < channels; c++) d_weight[c] = d_bias[c] = 0;
        for (int64_t n = 0; n < layer.images; n++)
            for (int64_t c = 0; c < channels; c++) {
                d_weight[c] += from.of_images[1][n * channels + c];
                d_bias[c] += from.of_images[0][n * channels + c];
            }
    }
}

}  // namespace

extern "C" {

// For sets of one image. In the backward pass y is read with dropout only.
extern const Kernel norm_forward = {nullptr, normalize_alone, nullptr, nullptr, move_running};
extern const Kernel norm_backward = {nullptr, differentiate_alone, nullptr, nullptr, sum_parameters};

// For sets of several.
extern const Kernel norm_of_several_forward = {nullptr, find_moments, find_statistics, normalize, move_running};
extern const Kernel norm_of_several_backward = {nullptr, sum_gradients, find_means, differentiate, sum_parameters};

void norm_moments(const Layer *layer, const void *x, float *found, float *scratch, int threads) {
    dispatch(*layer, [&](auto type, auto k) {
        moments<decltype(type), k.value>(*layer, (const decltype(type) *)x, found, scratch, threads);
    });
}
}
