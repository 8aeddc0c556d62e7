// Layer norm of whole images with a weight and a bias for each element.
#include "dropout.h"

namespace {

// y = dropout(relu(weight (x - mean) / sqrt(variance + eps) + bias)); weight and bias are [pixels][channels].
template <class T, int K>
void elements_forward(const Layer &layer, int64_t n, const T *x, const float *weight, const float *bias, T *y,
                      float mean, float rstd) {
    const int64_t size = layer.pixels * K * kLanes;
    const bool relu = layer.relu;
    Mask mask(layer, n);
    for (int64_t i = 0; i < size; i += kLanes)
        store(y + i, mask(relu_of(relu, (load(x + i) - mean) * rstd * load(weight + i) + load(bias + i))));
}

// dL/dx = rstd (g - mean(g) - x^ mean(g x^)) with g = weight dL/dy.
template <class T, int K>
void elements_backward(const Layer &layer, const T *x, const T *y, const T *d_y, const float *weight, T *d_x,
                       float mean, float rstd) {
    const int64_t size = layer.pixels * K * kLanes;
    const bool relu = layer.relu;
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
    const bool relu = layer.relu;
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

// statistics: mean and 1 / sqrt(variance + eps) of each image.
template <class T, int K>
void forward(const Layer &layer, const T *x, const float *weight, const float *bias, T *y, float *statistics) {
    const int64_t size = layer.pixels * K * kLanes;
    Layer image = layer;
    image.images = 1;
#pragma omp parallel for schedule(static) num_threads(layer.threads)
    for (int64_t n = 0; n < layer.images; n++) {
        float means[K * kLanes], squares[K * kLanes], mean, var;
        image_moments<T, K>(image, x + n * size, means, squares);
        set_moments(image, 0, means, squares, &mean, &var);
        statistics[2 * n] = mean;
        statistics[2 * n + 1] = rstd_of(layer, var);
        elements_forward<T, K>(layer, n, x + n * size, weight, bias, y + n * size, mean, statistics[2 * n + 1]);
    }
}

template <class T, int K>
void backward(const Layer &layer, const T *x, const T *y, const T *d_y, const float *weight, const float *statistics,
              T *d_x, float *d_weight, float *d_bias) {
    const int64_t size = layer.pixels * K * kLanes;
#pragma omp parallel num_threads(layer.threads)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < layer.images; n++)
            elements_backward<T, K>(layer, x + n * size, y + n * size, d_y + n * size, weight, d_x + n * size,
                                    statistics[2 * n], statistics[2 * n + 1]);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < layer.pixels; p++)
            pixel_sums<T, K>(layer, p, x, y, d_y, statistics, d_weight, d_bias);
    }
}

}  // namespace

// What Python calls. `bf16`: whether activations are bfloat16, else float32; all else is float32.
extern "C" {

void element_forward(const Layer *layer, int bf16, const void *x, const float *weight, const float *bias, void *y,
                     float *statistics) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        forward<T, vectors.value>(*layer, (const T *)x, weight, bias, (T *)y, statistics);
    });
}

void element_backward(const Layer *layer, int bf16, const void *x, const void *y, const void *d_y,
                      const float *weight, const float *statistics, void *d_x, float *d_weight, float *d_bias) {
    dispatch(bf16, layer->vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        backward<T, vectors.value>(*layer, (const T *)x, (const T *)y, (const T *)d_y, weight, statistics, (T *)d_x,
                                   d_weight, d_bias);
    });
}
}
