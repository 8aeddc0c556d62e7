// Cross-entropy with label smoothing s, as torch.nn.functional.cross_entropy: with q = (1 - s) label + s / classes and
// p = softmax(logits),
//     loss = - mean over images of sum_k q_k log p_k,    gradient_k = (p_k sum_j q_j - q_k) / images.
// In float64 and in one thread: a batch has few logits, and the number of threads and the vectors of a processor then
// change no bit.
#include "loss.h"

#include <cmath>

namespace {

int64_t largest(const float *values, int64_t count) {
    int64_t best = 0;
    for (int64_t k = 1; k < count; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

double of_image(const CrossEntropy &task, const float *logits, int64_t wanted, const float *shares, float *gradient) {
    const int64_t classes = task.num_classes;
    const double kept = 1 - task.label_smoothing, spread = task.label_smoothing / classes;
    const auto label = [&](int64_t k) { return kept * (shares ? shares[k] : k == wanted) + spread; };
    const double top = logits[largest(logits, classes)];
    double sum = 0;
    for (int64_t k = 0; k < classes; k++) sum += std::exp(logits[k] - top);
    const double log_sum = top + std::log(sum);
    double loss = 0, mass = 0;
    for (int64_t k = 0; k < classes; k++) {
        const double q = label(k);
        if (q != 0) loss += q * (log_sum - logits[k]);  // a logit of -inf whose label is 0 costs nothing
        mass += q;
    }
    for (int64_t k = 0; k < classes; k++)
        gradient[k] = (float)((mass * std::exp(logits[k] - log_sum) - label(k)) / task.num_images);
    return loss;
}

}  // namespace

bool labels_exist(const CrossEntropy &task) {
    for (int64_t n = 0; task.classes && n < task.num_images; n++)
        if (task.classes[n] < 0 || task.classes[n] >= task.num_classes) return false;
    return true;
}

void cross_entropy(CrossEntropy &task) {
    double sum = 0;
    task.num_correct = 0;
    for (int64_t n = 0; n < task.num_images; n++) {
        const int64_t at = n * task.num_classes;
        const float *shares = task.probabilities ? task.probabilities + at : nullptr;
        const int64_t wanted = shares ? largest(shares, task.num_classes) : task.classes[n];
        sum += of_image(task, task.logits + at, wanted, shares, task.gradient + at);
        task.num_correct += largest(task.logits + at, task.num_classes) == wanted;
    }
    task.loss = sum / task.num_images;
}

extern "C" {

// Returns 0, with nothing computed, for an index of a class that does not exist.
int loss_and_gradient(CrossEntropy *task) {
    if (!labels_exist(*task)) return 0;
    cross_entropy(*task);
    return 1;
}

int64_t sizeof_CrossEntropy() { return sizeof(CrossEntropy); }
}
