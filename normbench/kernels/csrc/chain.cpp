// Runs kernels on images: see chain.h.
#include "chain.h"

#include <vector>

namespace {

// Where a tensor of a chain begins: so many bytes behind an address that is given.
struct Reference {
    int64_t given, offset, per_image, per_thread;
};

struct Call {
    const Kernel *kernel;
    const void *layer;
    Reference x, other, y, d_y, d_x, kept, scratch, shared;
    int64_t parameters[2], gradients[2], buffers[3], seed;  // which of what is given
};

struct Chain {
    int64_t images, threads, count;
    const Call *calls;
};

// One after the other for each image, up to where all images have to wait.
struct Stage {
    const Work *work;
    void (*image)(const Work &, const Place &);
};

Images images_at(const Reference &at, const uint64_t *given) {
    return {(char *)given[at.given] + at.offset, at.per_image, at.per_thread};
}

Work work_of(const Call &call, const uint64_t *given) {
    Work work = {};
    work.layer = call.layer;
    work.x = images_at(call.x, given);
    work.other = images_at(call.other, given);
    work.y = images_at(call.y, given);
    work.d_y = images_at(call.d_y, given);
    work.d_x = images_at(call.d_x, given);
    work.kept = images_at(call.kept, given).begin;
    work.scratch = images_at(call.scratch, given).begin;
    work.shared = images_at(call.shared, given);
    for (int i = 0; i < 2; i++) {
        work.parameters[i] = (const float *)given[call.parameters[i]];
        work.gradients[i] = (float *)given[call.gradients[i]];
    }
    for (int i = 0; i < 3; i++) work.buffers[i] = (void *)given[call.buffers[i]];
    work.seed = given[call.seed];
    return work;
}

// Called by all threads.
void run_stages(const Chain &chain, const Stage *stages, int64_t count) {
    const int thread = omp_get_thread_num();
#pragma omp for schedule(static)
    for (int64_t part = 0; part < parts_of(chain.images); part++) {
        const int64_t first = first_image(chain.images, part), last = first_image(chain.images, part + 1);
        for (int64_t n = first; n < last; n++)
            for (int64_t i = 0; i < count; i++) stages[i].image(*stages[i].work, {n, part, n == first, thread});
    }
}

}  // namespace

// What Python calls. given: addresses, and the seeds.
extern "C" void run(const Chain *chain, const uint64_t *given) {
    const int64_t count = chain->count;
    std::vector<Work> works(count);
    for (int64_t i = 0; i < count; i++) works[i] = work_of(chain->calls[i], given);
#pragma omp parallel num_threads(chain->threads)
    {
        for (int64_t i = 0; i < count; i++)
            if (chain->calls[i].kernel->prepare) chain->calls[i].kernel->prepare(works[i]);
#pragma omp barrier
        std::vector<Stage> stages(count);
        int64_t waiting = 0;
        for (int64_t i = 0; i < count; i++) {
            const Kernel &kernel = *chain->calls[i].kernel;
            stages[waiting++] = {&works[i], kernel.image};
            if (kernel.between) {
                run_stages(*chain, stages.data(), waiting);
                kernel.between(works[i]);
                stages[0] = {&works[i], kernel.image_again};
                waiting = 1;
            }
        }
        run_stages(*chain, stages.data(), waiting);
        for (int64_t i = 0; i < count; i++)
            if (chain->calls[i].kernel->finish) chain->calls[i].kernel->finish(works[i]);
    }
}
