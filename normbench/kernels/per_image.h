// What runs a norm that takes each image, or each of its pixels, by itself: forward, and backward from x alone. The
// passes over an image follow each other while it is in the cache. Parameters are [kParameters][channels].
#pragma once
#include "dropout.h"

namespace {

// Norm<K>: made of a layer and its parameters; forward and backward take one image of K vectors a pixel.
template <template <int> class Norm, int K, class T>
void images_forward(const Layer &layer, const T *x, const float *parameters, T *y) {
    const int64_t size = layer.pixels * K * kLanes;
#pragma omp parallel for schedule(static) num_threads(layer.threads)
    for (int64_t n = 0; n < layer.images; n++)
        Norm<K>(layer, parameters).forward(x + n * size, Mask(layer, n), y + n * size);
}

// d_parameters: the gradients of the parameters, then those of each image, of which they are the sum.
template <template <int> class Norm, int K, class T>
void images_backward(const Layer &layer, const T *x, const T *d_y, const float *parameters, T *d_x,
                     float *d_parameters) {
    const int64_t size = layer.pixels * K * kLanes, count = Norm<K>::kParameters * K * kLanes;
    float *parts = d_parameters + count;
#pragma omp parallel for schedule(static) num_threads(layer.threads)
    for (int64_t n = 0; n < layer.images; n++)
        Norm<K>(layer, parameters).backward(x + n * size, d_y + n * size, Mask(layer, n), d_x + n * size,
                                            parts + n * count);
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int64_t n = 0; n < layer.images; n++) sum += parts[n * count + i];
        d_parameters[i] = (float)sum;
    }
}

template <template <int> class Norm>
void run_forward(const Layer &layer, int bf16, const void *x, const float *parameters, void *y) {
    dispatch(bf16, layer.vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        images_forward<Norm, vectors.value>(layer, (const T *)x, parameters, (T *)y);
    });
}

template <template <int> class Norm>
void run_backward(const Layer &layer, int bf16, const void *x, const void *d_y, const float *parameters, void *d_x,
                  float *d_parameters) {
    dispatch(bf16, layer.vectors, [&](auto type, auto vectors) {
        using T = decltype(type);
        images_backward<Norm, vectors.value>(layer, (const T *)x, (const T *)d_y, parameters, (T *)d_x, d_parameters);
    });
}

}  // namespace

// What Python calls. `bf16`: whether activations are bfloat16, else float32; all else is float32.
#define KERNELS(name, Norm)                                                                                          \
    extern "C" void name##_forward(const Layer *layer, int bf16, const void *x, const float *parameters, void *y) {  \
        run_forward<Norm>(*layer, bf16, x, parameters, y);                                                           \
    }                                                                                                                \
    extern "C" void name##_backward(const Layer *layer, int bf16, const void *x, const void *d_y,                    \
                                    const float *parameters, void *d_x, float *d_parameters) {                       \
        run_backward<Norm>(*layer, bf16, x, d_y, parameters, d_x, d_parameters);                                     \
    }
