// Makes the kernels of a norm whose statistics are within one image.
//
// A norm is a class template Norm<K>, K being the vectors of a pixel, with
//     kParameters                               how many parameters [channels] it learns
//     Norm(desc, parameters)                    their values, loaded once an image
//     forward(x, dropout, y)                    one image
//     backward(x, dy, dropout, dx, gradients)   one image; gradients are [kParameters][channels], of this image alone
// Nothing is saved for backward: the statistics are computed again from x.
#pragma once
#include "epilogue.h"

namespace {

template <template <int> class Norm>
void norm_forward(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    dispatch(desc, [&](auto dtype, auto k) {
        using T = decltype(dtype);
        const Norm<k.value> norm(desc, args.parameters);
        norm.forward(args.x.at<T>(task), Dropout(desc, args.seed, task.image), args.y.at<T>(task));
    });
}

// workspace: the parameters' gradients of each image, [image][kParameters][channels].
template <template <int> class Norm>
void norm_backward(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    dispatch(desc, [&](auto dtype, auto k) {
        using T = decltype(dtype);
        const Norm<k.value> norm(desc, args.parameters);
        float *gradients = (float *)args.workspace + task.image * norm.kParameters * k.value * kLanes;
        norm.backward(args.x.at<T>(task), args.dy.at<T>(task), Dropout(desc, args.seed, task.image),
                      args.dx.at<T>(task), gradients);
    });
}

template <template <int> class Norm>
void sum_parameter_gradients(const OpArgs &args) {
    const NormDesc &desc = norm_desc(args);
    const int64_t channels = desc.channels(), count = Norm<1>::kParameters * channels;
    const float *of_images = (const float *)args.workspace;
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int64_t n = 0; n < desc.num_images; n++) sum += of_images[n * count + i];
        args.gradients[i / channels][i % channels] = (float)sum;
    }
}

}  // namespace

#define EXPORT_PER_IMAGE_NORM(name, Norm)                                                            \
    extern "C" {                                                                                     \
    extern const Kernel name##_forward = {nullptr, norm_forward<Norm>, nullptr, nullptr, nullptr};   \
    extern const Kernel name##_backward = {nullptr, norm_backward<Norm>, nullptr, nullptr,           \
                                           sum_parameter_gradients<Norm>};                           \
    }
