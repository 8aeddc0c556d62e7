// A whole training step in one call: images to floats, forward pass, loss, backward pass, clipping of the gradient, and
// the optimizer.
#include <chrono>
#include <cmath>

#include "images.h"
#include "loss.h"

struct ExecutionPlan;
struct MuonRule;
struct MuonFilter;
struct SgdRule;
struct SgdTensor;

// A parameter group of an optimizer: of `muon` and `sgd` one is null, and so are the tensors of the other rule.
struct OptimizerGroup {
    const MuonRule *muon;
    const MuonFilter *filters;
    const SgdRule *sgd;
    const SgdTensor *tensors;
    int64_t count;     // of the filters or tensors
    float *workspace;  // of Muon
};

struct Gradient {
    float *values;
    int64_t count;
};

struct TrainingStep {
    ImageConversion images;  // their floats are the input of both passes
    const ExecutionPlan *forward;
    const uint64_t *forward_bindings;
    const ExecutionPlan *backward;
    const uint64_t *backward_bindings;
    CrossEntropy loss;  // its logits are the output of the forward pass, its gradient the input of the backward pass
    double max_norm;    // of the gradient over all parameters; infinite where it is not clipped
    const Gradient *gradients;
    int64_t num_gradients;
    const OptimizerGroup *groups;
    int64_t num_groups;
    double *loss_sum;      // over the images of all steps; written
    int64_t *num_correct;  // likewise
    double forward_s, backward_s, optimizer_s;  // seconds that each part took; written
};

extern "C" {
void run_plan(const ExecutionPlan *plan, const uint64_t *bindings);
void muon_step(const MuonRule *rule, const MuonFilter *filters, int64_t count, float *workspace);
void sgd_step(const SgdRule *rule, const SgdTensor *tensors, int64_t count);
}

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double sum_of_squares(const Gradient &gradient) {
    constexpr int kSums = 16;  // that do not wait for one another
    double sums[kSums] = {};
    const int64_t whole = gradient.count / kSums * kSums;
    for (int64_t i = 0; i < whole; i += kSums)
        for (int s = 0; s < kSums; s++) sums[s] += (double)gradient.values[i + s] * gradient.values[i + s];
    for (int64_t i = whole; i < gradient.count; i++) sums[0] += (double)gradient.values[i] * gradient.values[i];
    double sum = 0;
    for (double part : sums) sum += part;
    return sum;
}

}  // namespace

extern "C" {

// Shortens a gradient over several tensors to max_norm, as torch.nn.utils.clip_grad_norm_: the sums are in float64.
void clip_gradients(const Gradient *gradients, int64_t count, double max_norm) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += sum_of_squares(gradients[i]);
    const double factor = max_norm / (std::sqrt(sum) + 1e-6);
    if (factor >= 1) return;
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < gradients[i].count; k++) gradients[i].values[k] *= (float)factor;
}

void optimizer_step(const OptimizerGroup *groups, int64_t count) {
    for (const OptimizerGroup *group = groups; group != groups + count; group++)
        if (group->muon)
            muon_step(group->muon, group->filters, group->count, group->workspace);
        else
            sgd_step(group->sgd, group->tensors, group->count);
}

// Returns 0, with nothing changed, for a label that does not exist.
int training_step(TrainingStep *step) {
    if (!labels_exist(step->loss)) return 0;
    images_to_floats(&step->images);
    const double begun = seconds();
    run_plan(step->forward, step->forward_bindings);
    const double forward_done = seconds();
    cross_entropy(step->loss);
    run_plan(step->backward, step->backward_bindings);
    const double backward_done = seconds();
    if (std::isfinite(step->max_norm)) clip_gradients(step->gradients, step->num_gradients, step->max_norm);
    optimizer_step(step->groups, step->num_groups);
    *step->loss_sum += (double)(float)step->loss.loss * step->loss.num_images;
    *step->num_correct += step->loss.num_correct;
    step->forward_s = forward_done - begun;
    step->backward_s = backward_done - forward_done;
    step->optimizer_s = seconds() - backward_done;
    return 1;
}

int64_t sizeof_OptimizerGroup() { return sizeof(OptimizerGroup); }
int64_t sizeof_Gradient() { return sizeof(Gradient); }
int64_t sizeof_TrainingStep() { return sizeof(TrainingStep); }
}
