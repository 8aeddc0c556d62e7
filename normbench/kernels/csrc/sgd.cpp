// A step of stochastic gradient descent for several tensors at once.
#include <cstdint>

// A tensor without gaps; `momentum` is null if there is none.
struct Descent {
    float *value;
    const float *gradient;
    float *momentum;
    int64_t count;
};

struct DescentRule {
    float lr, momentum, weight_decay;
    int32_t nesterov;
};

namespace {

// momentum <- m momentum + g and value <- value - lr d, with g = gradient + decay value; d is the momentum, or g + m
// momentum with Nesterov's.
void step(const DescentRule &rule, const Descent &tensor) {
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

// What Python calls. In one thread: waking another takes longer.
extern "C" void sgd_step(const DescentRule *rule, const Descent *tensors, int64_t count) {
    for (int64_t i = 0; i < count; i++) step(*rule, tensors[i]);
}
