// A linear layer on images of one pixel, in float32: the classifier.
#include "chain.h"
#include "vectors.h"

namespace {

// Inputs are a multiple of 16; weights are [outputs][inputs].
struct Linear {
    int64_t images, inputs, outputs;

    int64_t weights() const { return inputs * outputs; }
    int64_t part() const { return weights() + outputs; }  // numbers of the sums over a part of the images
};

inline const Linear &linear_of(const Work &work) { return *(const Linear *)work.layer; }

void forward(const Work &work, const Place &at) {
    const Linear &linear = linear_of(work);
    const float *x = work.x.at<float>(at), *weight = work.parameters[0];
    float *y = work.y.at<float>(at);
    for (int64_t o = 0; o < linear.outputs; o++, weight += linear.inputs) {
        Floats products = {};
        for (int64_t c = 0; c < linear.inputs; c += kLanes) products += load(weight + c) * load(x + c);
        float sum = work.parameters[1][o];
        for (int lane = 0; lane < kLanes; lane++) sum += products[lane];
        y[o] = sum;
    }
}

void backward(const Work &work, const Place &at) {
    const Linear &linear = linear_of(work);
    const float *x = work.x.at<float>(at), *d_y = work.d_y.at<float>(at), *weight = work.parameters[0];
    float *d_x = work.d_x.at<float>(at), *sums = (float *)work.scratch + at.part * linear.part();
    if (at.is_first) memset(sums, 0, linear.part() * sizeof *sums);
    for (int64_t c = 0; c < linear.inputs; c += kLanes) {
        const Floats value = load(x + c);
        Floats sum = {};
        for (int64_t o = 0; o < linear.outputs; o++) {
            const int64_t i = o * linear.inputs + c;
            sum += load(weight + i) * d_y[o];
            store(sums + i, load(sums + i) + value * d_y[o]);
        }
        store(d_x + c, sum);
    }
    for (int64_t o = 0; o < linear.outputs; o++) sums[linear.weights() + o] += d_y[o];
}

void sum_parameters(const Work &work) {
    const Linear &linear = linear_of(work);
    const float *sums = (const float *)work.scratch;
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < linear.part(); i++) {
        float sum = 0;
        for (int64_t part = 0; part < parts_of(linear.images); part++) sum += sums[part * linear.part() + i];
        (i < linear.weights() ? work.gradients[0][i] : work.gradients[1][i - linear.weights()]) = sum;
    }
}

}  // namespace

extern "C" {
extern const Kernel linear_forward = {nullptr, forward, nullptr, nullptr, nullptr};
extern const Kernel linear_backward = {nullptr, backward, nullptr, nullptr, sum_parameters};
}
