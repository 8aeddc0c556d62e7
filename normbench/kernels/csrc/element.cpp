// Layer norm of whole images with a weight and a bias for each element.
#include "dropout.h"

namespace {

// y = dropout(relu(weight (x - mean) / sqrt(variance + eps) + bias)); weight and bias are [pixels][channels].
template <class T, int K>
void elements_forward(const Layer &layer, int64_t n, const T *x, const float *weight, const float *bias, uint64_t seed,
                      T *y, float mean, float rstd) {
    const int64_t size = layer.pixels * K * kLanes;
    const Relu relu(layer.relu);
    Mask mask(layer, seed, n);
    for (int64_t i = 0; i < size; i += kLanes)
        store(y + i, mask(relu((load(x + i) - mean) * rstd * load(weight + i) + load(bias + i))));
}

// dL/dx = rstd (g - mean(g) - x^ mean(g x^)) with g = weight dL/dy.
template <class T, int K>
void elements_backward(const Layer &layer, const T *x, const T *y, const T *d_y, const float *weight, T *d_x,
                       float mean, float rstd) {
    const int64_t size = layer.pixels * K * kLanes;
    const Relu relu(layer.relu);
    const float kept_scale = layer.kept_scale();
    Floats sums[K] = {}, sums_x[K] = {};
    for (int64_t p = 0; p < layer.pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t i = (p * K + k) * kLanes;
            const Floats g = gradient(relu, d_y + i, y + i, kept_scale) * load(weight + i);
            sums[k] += g;
            sums_x[k] += g * (load(x + i) - mean);
        }
    double sum = 0, sum_x = 0;
    for (int k = 0; k < K; k++)
        for (int lane = 0; lane < kLanes; lane++) {
            sum += sums[k][lane];
            sum_x += sums_x[k][lane];
        }
    const float mean_g = (float)(sum / size), slope = (float)(sum_x / size) * rstd * rstd;
    for (int64_t i = 0; i < size; i += kLanes) {
        const Floats g = gradient(relu, d_y + i, y + i, kept_scale) * load(weight + i);
        store(d_x + i, (g - mean_g - (load(x + i) - mean) * slope) * rstd);
    }
}

// The gradients of weight and bias at one pixel: the images in their order, whatever the threads.
template <class T, int K>
void pixel_sums(const Layer &layer, int64_t p, const T *x, const T *y, const T *d_y, const float *statistics,
                float *d_weight, float *d_bias) {
    const Relu relu(layer.relu);
    const float kept_scale = layer.kept_scale();
    Floats sum[K] = {}, sum_x[K] = {};
    for (int64_t n = 0; n < layer.images; n++)
        for (int k = 0; k < K; k++) {
            const int64_t i = ((n * layer.pixels + p) * K + k) * kLanes;
            const Floats d = gradient(relu, d_y + i, y + i, kept_scale);
            sum[k] += d;
            sum_x[k] += d * (load(x + i) - statistics[2 * n]) * statistics[2 * n + 1];
        }
    for (int k = 0; k < K; k++) {
        store(d_weight + (p * K + k) * kLanes, sum_x[k]);
        store(d_bias + (p * K + k) * kLanes, sum[k]);
    }
}

// kept: mean and 1 / sqrt(variance + eps) of each image.
void forward(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    Layer image = layer;
    image.images = 1;
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        const T *x = work.x.at<T>(at);
        float means[k.value * kLanes], squares[k.value * kLanes], mean, var;
        image_moments<T, k.value>(image, x, means, squares);
        set_moments(image, 0, means, squares, &mean, &var);
        const float rstd = rstd_of(layer, var);
        float *statistics = (float *)work.kept + 2 * at.image;
        statistics[0] = mean;
        statistics[1] = rstd;
        elements_forward<T, k.value>(layer, at.image, x, work.parameters[0], work.parameters[1], work.seed,
                                     work.y.at<T>(at), mean, rstd);
    });
}

// y is read with a ReLU only.
void backward(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    const float *statistics = (const float *)work.kept + 2 * at.image;
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        elements_backward<T, k.value>(layer, work.x.at<T>(at), work.y.at<T>(at), work.d_y.at<T>(at),
                                      work.parameters[0], work.d_x.at<T>(at), statistics[0], statistics[1]);
    });
}

void sum_parameters(const Work &work) {
    const Layer &layer = layer_of(work);
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        const T *x = work.x.all<T>(), *y = layer.relu ? work.y.all<T>() : x, *d_y = work.d_y.all<T>();
#pragma omp for schedule(static) nowait
        for (int64_t p = 0; p < layer.pixels; p++)
            pixel_sums<T, k.value>(layer, p, x, y, d_y, (const float *)work.kept, work.gradients[0],
                                   work.gradients[1]);
    });
}

}  // namespace

extern "C" {
extern const Kernel element_forward = {nullptr, forward, nullptr, nullptr, nullptr};
extern const Kernel element_backward = {nullptr, backward, nullptr, nullptr, sum_parameters};
}
