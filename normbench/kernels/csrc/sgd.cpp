// One step of SGD on several tensors, as torch.optim.SGD without dampening:
//     g = gradient + weight_decay value,  m <- momentum m + g,  value <- value - lr d
// with d = m, or g + momentum m with Nesterov momentum, or g without momentum.
#include <cstdint>

// The three tensors have the same memory layout, without gaps. `momentum` is null if there is none.
struct SgdTensor {
    float *value;
    const float *gradient;
    float *momentum;
    int64_t count;
};

struct SgdRule {
    float lr, momentum, weight_decay;
    int32_t nesterov;
};

namespace {

void step(const SgdRule &rule, const SgdTensor &tensor) {
    const float lr = rule.lr, m = rule.momentum, decay = rule.weight_decay;
    const bool nesterov = rule.nesterov;
    float *value = tensor.value, *momentum = tensor.momentum;
    const float *gradient = tensor.gradient;
    if (!momentum) {
        for (int64_t i = 0; i < tensor.count; i++) value[i] -= lr * (gradient[i] + decay * value[i]);
        return;
    }
    for (int64_t i = 0; i < tensor.count; i++) {
        const float g = gradient[i] + decay * value[i];
        momentum[i] = m * momentum[i] + g;
        value[i] -= lr * (nesterov ? g + m * momentum[i] : momentum[i]);
    }
}

}  // namespace

extern "C" {

// In one thread: waking a second one takes longer than the step of a small network.
void sgd_step(const SgdRule *rule, const SgdTensor *tensors, int64_t count) {
    for (int64_t i = 0; i < count; i++) step(*rule, tensors[i]);
}

int64_t sizeof_SgdRule() { return sizeof(SgdRule); }
int64_t sizeof_SgdTensor() { return sizeof(SgdTensor); }
}
