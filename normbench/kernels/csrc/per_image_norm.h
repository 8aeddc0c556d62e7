// Makes the kernels of a norm whose statistics are within one image.
//
// A norm is a class template Norm<K> with
//     kParameters                               how many parameters [channels] it learns
//     Norm(desc, parameters)                    their values, loaded for each image
//     forward(x, dropout, y)                    one image
//     backward(x, dy, dropout, dx, gradients)   one image; gradients are [kParameters][channels], of this image alone
// Nothing is saved for backward: the statistics are computed again from x.
//
// K is the number of vectors of a pixel, so that loops over them unroll; or 0 for any number of them.
#pragma once
#include "epilogue.h"

namespace {

constexpr int kMaxVectors = 128;  // of a pixel

// A value for each channel.
template <int K>
using Channels = f32x16[K ? K : kMaxVectors];

// The size of an image; the norms derive from it.
template <int K>
struct Pixels {
    const int64_t pixels;

    explicit Pixels(const NormDesc &desc) : pixels(desc.pixels), any(desc.vectors) {}
    int64_t vectors() const { return K ? K : any; }
    int64_t channels() const { return vectors() * kLanes; }
    void load_channels(const float *from, Channels<K> &to) const {
        for (int k = 0; k < vectors(); k++) to[k] = load(from + k * kLanes);
    }
    void store_channels(float *to, const Channels<K> &from) const {
        for (int k = 0; k < vectors(); k++) store(to + k * kLanes, from[k]);
    }

private:
    const int64_t any;
};

// Instantiates `call` for the dtype, and for a pixel of 1, 2 or any number of vectors.
template <class Call>
void dispatch(const NormDesc &desc, const Call &call) {
    check(desc);
    if (desc.vectors > kMaxVectors) unsupported("norm", "number of channels", desc.channels());
    dispatch_dtype("norm", desc.bf16, [&](auto dtype) {
        switch (desc.vectors) {
            case 1: return call(dtype, Constant<1>{});
            case 2: return call(dtype, Constant<2>{});
        }
        call(dtype, Constant<0>{});
    });
}

template <template <int> class Norm>
void norm_forward(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    dispatch(desc, [&](auto dtype, auto k) {
        using T = decltype(dtype);
        const Norm<k.value> norm(desc, args.parameters);
        norm.forward(args.x.at<T>(task), Dropout(desc.drop, args.seed, task.image), args.y.at<T>(task));
    });
}

// workspace: the parameters' gradients of each image, [image][kParameters][channels].
template <template <int> class Norm>
void norm_backward(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    dispatch(desc, [&](auto dtype, auto k) {
        using T = decltype(dtype);
        const Norm<k.value> norm(desc, args.parameters);
        float *gradients = (float *)args.workspace + task.image * norm.kParameters * desc.channels();
        norm.backward(args.x.at<T>(task), args.dy.at<T>(task), Dropout(desc.drop, args.seed, task.image),
                      args.dx.at<T>(task), gradients);
    });
}

template <template <int> class Norm>
void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    const NormDesc &desc = norm_desc(args);
    const int64_t channels = desc.channels(), count = Norm<1>::kParameters * channels;
    const float *of_images = (const float *)args.workspace;
    for (int64_t i = part.begin(count); i < part.end(count); i++) {
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
