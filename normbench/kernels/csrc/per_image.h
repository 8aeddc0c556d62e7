// What makes kernels of a norm that takes each image, or each of its pixels, by itself: forward, and backward from x
// alone. Parameters are [kParameters][channels], in one tensor.
#pragma once
#include "dropout.h"

namespace {

// Norm<K>: made of a layer and its parameters; forward and backward take one image of K vectors a pixel.
template <template <int> class Norm>
void image_forward(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        const Norm<k.value> norm(layer, work.parameters[0]);
        norm.forward(work.x.at<T>(at), Mask(layer, work.seed, at.image), work.y.at<T>(at));
    });
}

// scratch: the gradients that each image gives the parameters, of which theirs are the sum.
template <template <int> class Norm>
void image_backward(const Work &work, const Place &at) {
    const Layer &layer = layer_of(work);
    dispatch(layer, [&](auto type, auto k) {
        using T = decltype(type);
        const Norm<k.value> norm(layer, work.parameters[0]);
        float *d_parameters = (float *)work.scratch + at.image * norm.kParameters * k.value * kLanes;
        norm.backward(work.x.at<T>(at), work.d_y.at<T>(at), Mask(layer, work.seed, at.image), work.d_x.at<T>(at),
                      d_parameters);
    });
}

template <template <int> class Norm>
void sum_parameters(const Work &work) {
    const Layer &layer = layer_of(work);
    const int64_t count = Norm<1>::kParameters * layer.channels();
    const float *parts = (const float *)work.scratch;
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int64_t n = 0; n < layer.images; n++) sum += parts[n * count + i];
        work.gradients[0][i] = (float)sum;
    }
}

}  // namespace

#define KERNELS(name, Norm)                                                                                      \
    extern "C" {                                                                                                 \
    extern const Kernel name##_forward = {nullptr, image_forward<Norm>, nullptr, nullptr, nullptr};              \
    extern const Kernel name##_backward = {nullptr, image_backward<Norm>, nullptr, nullptr, sum_parameters<Norm>}; \
    }
