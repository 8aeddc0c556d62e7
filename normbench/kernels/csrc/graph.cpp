// The executor: runs the ops of an execution plan on a batch of images. See graph.h.
#include "graph.h"

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

// One step on an image; the steps between two barriers run image by image.
struct ImageStep {
    const OpArgs *args;
    void (*pass)(const OpArgs &, const ImageTask &);
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

// All threads call this together. Ends with a barrier.
void run_image_steps(const ExecutionPlan &plan, const std::vector<ImageStep> &steps) {
    const int thread = omp_get_thread_num();
#pragma omp for schedule(static)
    for (int64_t chunk = 0; chunk < num_chunks(plan.num_images); chunk++) {
        const int64_t begin = chunk_begin(plan.num_images, chunk), end = chunk_begin(plan.num_images, chunk + 1);
        for (int64_t n = begin; n < end; n++)
            for (const ImageStep &step : steps) step.pass(*step.args, {n, chunk, n == begin, thread});
    }
}

}  // namespace

// bindings: the base pointers of all tensors, and the seeds. Binding 0 is null.
extern "C" void run_plan(const ExecutionPlan *plan, const uint64_t *bindings) {
    const int64_t count = plan->num_calls;
    std::vector<OpArgs> args(count);
    for (int64_t i = 0; i < count; i++) args[i] = resolve(plan->calls[i], bindings);
#pragma omp parallel num_threads(plan->num_threads)
    {
        for (int64_t i = 0; i < count; i++)
            if (plan->calls[i].kernel->prologue) plan->calls[i].kernel->prologue(args[i]);
#pragma omp barrier
        std::vector<ImageStep> steps;
        for (int64_t i = 0; i < count; i++) {
            const Kernel &kernel = *plan->calls[i].kernel;
            steps.push_back({&args[i], kernel.image_pass});
            if (kernel.at_barrier) {
                run_image_steps(*plan, steps);
                kernel.at_barrier(args[i]);
                steps.assign(1, {&args[i], kernel.second_image_pass});
            }
        }
        run_image_steps(*plan, steps);
        for (int64_t i = 0; i < count; i++)
            if (plan->calls[i].kernel->finalize) plan->calls[i].kernel->finalize(args[i]);
    }
}

extern "C" {
int64_t sizeof_BufferRef() { return sizeof(BufferRef); }
int64_t sizeof_OpCall() { return sizeof(OpCall); }
int64_t sizeof_ExecutionPlan() { return sizeof(ExecutionPlan); }
}
