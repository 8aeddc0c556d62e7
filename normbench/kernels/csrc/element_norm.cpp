// Layer norm of whole images with a weight and a bias for each element, [pixels][channels]:
//     y = epilogue(weight x^ + bias),  x^ = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)
// with mean and variance over all pixels and channels of the image. Dropout only behind a ReLU.
//
// The kernels see an image as a row of values, since none of it belongs to a channel.
//
// saved: mean and rstd of each image.
#include "epilogue.h"

namespace {

// The same images as pixels of two vectors, or of one vector if an image has an odd number of them.
NormDesc as_row(NormDesc desc) {
    const int64_t vectors = desc.pixels * desc.vectors;
    desc.vectors = vectors % 2 ? 1 : 2;
    desc.pixels = vectors / desc.vectors;
    return desc;
}

template <class T, int K>
void normalize_image(const NormDesc &desc, const T *x, const float *weight, const float *bias, float mean, float rstd,
                     Dropout dropout, T *y) {
    const int64_t size = desc.pixels * K * kLanes;
    const Relu relu(desc.relu);
    for (int64_t i = 0; i < size; i += kLanes)
        store(y + i, dropout(relu((load(x + i) - mean) * rstd * load(weight + i) + load(bias + i))));
}

// With g = weight dL/dz: dx = rstd (g - mean(g) - x^ mean(g x^)).
template <class T, int K>
void differentiate_image(const NormDesc &desc, const T *x, const T *y, const T *dy, const float *weight, float mean,
                         float rstd, T *dx) {
    const int64_t size = desc.pixels * K * kLanes;
    const Relu relu(desc.relu);
    const float keep_scale = keep_scale_of(desc.drop);
    f32x16 sums[K] = {}, sums_x[K] = {};
    for (int64_t p = 0; p < desc.pixels; p++)
        for (int k = 0; k < K; k++) {
            const int64_t i = (p * K + k) * kLanes;
            const f32x16 g = epilogue_backward(relu, dy + i, y + i, keep_scale) * load(weight + i);
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
        const f32x16 g = epilogue_backward(relu, dy + i, y + i, keep_scale) * load(weight + i);
        store(dx + i, (g - mean_g - (load(x + i) - mean) * slope) * rstd);
    }
}

// The gradients of weight and bias at pixel p, summed in the order of the images.
template <class T, int K>
void sum_pixel_gradients(const NormDesc &desc, int64_t p, const T *x, const T *y, const T *dy, const float *statistics,
                float *dweight, float *dbias) {
    const Relu relu(desc.relu);
    const float keep_scale = keep_scale_of(desc.drop);
    f32x16 sum[K] = {}, sum_x[K] = {};
    for (int64_t n = 0; n < desc.num_images; n++)
        for (int k = 0; k < K; k++) {
            const int64_t i = ((n * desc.pixels + p) * K + k) * kLanes;
            const f32x16 d = epilogue_backward(relu, dy + i, y + i, keep_scale);
            sum[k] += d;
            sum_x[k] += d * (load(x + i) - statistics[2 * n]) * statistics[2 * n + 1];
        }
    for (int k = 0; k < K; k++) {
        store(dweight + (p * K + k) * kLanes, sum_x[k]);
        store(dbias + (p * K + k) * kLanes, sum[k]);
    }
}

void forward(const OpArgs &args, const ImageTask &task) {
    const NormDesc desc = as_row(norm_desc(args));
    NormDesc one_image = desc;
    one_image.num_images = one_image.region_images = 1;
    for_each_block(desc, [&](auto dtype, auto k, int64_t) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        float means[k.value * kLanes], squares[k.value * kLanes], mean, var;
        block_moments<T, k.value>(one_image, x, means, squares);
        region_moments(one_image, 0, means, squares, &mean, &var);
        const float rstd = inverse_std(desc, var);
        float *statistics = (float *)args.saved + 2 * task.image;
        statistics[0] = mean;
        statistics[1] = rstd;
        normalize_image<T, k.value>(desc, x, args.parameters[0], args.parameters[1], mean, rstd,
                                    Dropout(desc.drop, args.seed, task.image), args.y.at<T>(task));
    });
}

// Reads y only with a ReLU.
void backward(const OpArgs &args, const ImageTask &task) {
    const NormDesc desc = as_row(norm_desc(args));
    const float *statistics = (const float *)args.saved + 2 * task.image;
    for_each_block(desc, [&](auto dtype, auto k, int64_t) {
        using T = decltype(dtype);
        differentiate_image<T, k.value>(desc, args.x.at<T>(task), args.y.at<T>(task), args.dy.at<T>(task),
                                        args.parameters[0], statistics[0], statistics[1], args.dx.at<T>(task));
    });
}

void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    const NormDesc desc = as_row(norm_desc(args));
    for_each_block(desc, [&](auto dtype, auto k, int64_t) {
        using T = decltype(dtype);
        const T *x = args.x.batch<T>(), *y = desc.relu ? args.y.batch<T>() : x, *dy = args.dy.batch<T>();
        for (int64_t p = part.begin(desc.pixels); p < part.end(desc.pixels); p++)
            sum_pixel_gradients<T, k.value>(desc, p, x, y, dy, (const float *)args.saved, args.gradients[0],
                                            args.gradients[1]);
    });
}

}  // namespace

extern "C" {
extern const Kernel element_norm_forward = {nullptr, forward, nullptr, nullptr, nullptr};
extern const Kernel element_norm_backward = {nullptr, backward, nullptr, nullptr, sum_parameter_gradients};
}
