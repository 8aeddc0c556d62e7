// The executor: runs the ops of an execution plan on a batch of images. See graph.h.
#include "graph.h"

#include <utility>
#include <vector>

// Python fills in these structs; structs.py mirrors them.

// A tensor of a graph: an offset behind a base pointer, which is an index into the bindings.
struct BufferRef {
    int64_t binding, offset, image_stride, thread_stride;  // all but the index in bytes
};

struct OpCall {
    const Kernel *kernel;
    const void *desc;
    BufferRef x, addend, y, dy, dx, saved, workspace, thread_workspace;
    int64_t parameters[3], gradients[3], buffers[3], seed;  // indices into the bindings
};

struct ExecutionPlan {
    int64_t num_images, num_threads, num_calls;
    const OpCall *calls;
};

namespace {

constexpr int64_t kParts = 16;  // of prologue and finalize

struct ImageStep {
    const OpArgs *args;
    void (*pass)(const OpArgs &, const ImageTask &);
};
struct PartStep {
    const OpArgs *args;
    void (*run)(const OpArgs &, const Part &);
};

// What can be done image by image, or part by part, before all threads have to wait for each other.
struct Stage {
    std::vector<ImageStep> image_steps;
    std::vector<PartStep> part_steps;
    const OpArgs *args;  // of at_barrier
    void (*at_barrier)(const OpArgs &);
};

TensorView resolve(const BufferRef &ref, const uint64_t *bindings) {
    return {(char *)bindings[ref.binding] + ref.offset, ref.image_stride, ref.thread_stride};
}

OpArgs resolve(const OpCall &call, const uint64_t *bindings) {
    OpArgs args = {};
    args.desc = call.desc;
    args.x = resolve(call.x, bindings);
    args.addend = resolve(call.addend, bindings);
    args.y = resolve(call.y, bindings);
    args.dy = resolve(call.dy, bindings);
    args.dx = resolve(call.dx, bindings);
    args.saved = resolve(call.saved, bindings).base;
    args.workspace = resolve(call.workspace, bindings).base;
    args.thread_workspace = resolve(call.thread_workspace, bindings);
    for (int i = 0; i < 3; i++) {
        args.parameters[i] = (const float *)bindings[call.parameters[i]];
        args.gradients[i] = (float *)bindings[call.gradients[i]];
        args.buffers[i] = (void *)bindings[call.buffers[i]];
    }
    args.seed = bindings[call.seed];
    return args;
}

class PlanRun : public Work {
  public:
    PlanRun(const ExecutionPlan &plan, const uint64_t *bindings) : num_images(plan.num_images), args(plan.num_calls) {
        Stage prologue = {}, images = {}, finalize = {};
        for (int64_t i = 0; i < plan.num_calls; i++) {
            const Kernel &kernel = *plan.calls[i].kernel;
            args[i] = resolve(plan.calls[i], bindings);
            if (kernel.prologue) prologue.part_steps.push_back({&args[i], kernel.prologue});
            if (kernel.finalize) finalize.part_steps.push_back({&args[i], kernel.finalize});
        }
        if (!prologue.part_steps.empty()) stages.push_back(std::move(prologue));
        for (int64_t i = 0; i < plan.num_calls; i++) {
            const Kernel &kernel = *plan.calls[i].kernel;
            images.image_steps.push_back({&args[i], kernel.image_pass});
            if (!kernel.at_barrier) continue;
            images.args = &args[i];
            images.at_barrier = kernel.at_barrier;
            stages.push_back(std::move(images));
            images = {};
            images.image_steps.push_back({&args[i], kernel.second_image_pass});
        }
        stages.push_back(std::move(images));
        if (!finalize.part_steps.empty()) stages.push_back(std::move(finalize));
    }

    int64_t next_stage() override {
        if (next > 0 && stages[next - 1].at_barrier) stages[next - 1].at_barrier(*stages[next - 1].args);
        if (next == stages.size()) return 0;
        return stages[next++].part_steps.empty() ? num_chunks(num_images) : kParts;
    }

    void run(int64_t task, int thread) override {
        const Stage &stage = stages[next - 1];
        for (const PartStep &step : stage.part_steps) step.run(*step.args, {task, kParts});
        if (stage.image_steps.empty()) return;
        const int64_t begin = chunk_begin(num_images, task), end = chunk_begin(num_images, task + 1);
        for (int64_t n = begin; n < end; n++)
            for (const ImageStep &step : stage.image_steps) step.pass(*step.args, {n, task, n == begin, thread});
    }

  private:
    const int64_t num_images;
    std::vector<OpArgs> args;
    std::vector<Stage> stages;
    uint64_t next = 0;  // the stage after the one that runs
};

}  // namespace

// bindings: the base pointers of all tensors, and the seeds. Binding 0 is null.
extern "C" void run_plan(const ExecutionPlan *plan, const uint64_t *bindings) {
    PlanRun run(*plan, bindings);
    run_in_stages(run, plan->num_threads);
}

extern "C" {
int64_t sizeof_BufferRef() { return sizeof(BufferRef); }
int64_t sizeof_OpCall() { return sizeof(OpCall); }
int64_t sizeof_ExecutionPlan() { return sizeof(ExecutionPlan); }
}
