// The interface between the executor (graph.cpp) and the kernels of the ops.
//
// A graph is a sequence of ops on a batch of images. The executor takes one image through consecutive ops while the
// image is in the cache. An op that reduces over images sets a barrier: every image reaches it before any image goes
// on.
#pragma once
#include "threads.h"

// The batch is cut into at most 16 chunks, whatever the number of threads. A sum over images is made within each chunk,
// then over the chunks in order: the number of threads changes no bit.
inline int64_t num_chunks(int64_t num_images) { return num_images < 16 ? num_images : 16; }
inline int64_t chunk_begin(int64_t num_images, int64_t chunk) { return chunk * num_images / num_chunks(num_images); }

// Which image a call works on, and who works on it.
struct ImageTask {
    int64_t image, chunk;
    bool first_in_chunk;
    int thread;
};

// Where a tensor is: a buffer for the whole batch (thread_stride is 0), or one image a thread (image_stride is 0).
struct TensorView {
    char *base;
    int64_t image_stride, thread_stride;  // bytes

    template <class T>
    T *at(const ImageTask &task) const {
        return (T *)(base + task.image * image_stride + task.thread * thread_stride);
    }
    // The whole batch; only for ops that Python marks `reads_whole_batch`, whose buffers are never one image a thread.
    template <class T>
    T *batch() const {
        return (T *)base;
    }
};

// The operands of an op. An op uses those that its Python description declares; the others may be null.
struct OpArgs {
    const void *desc;              // the op's descriptor: shape, dtype, options
    TensorView x, y;               // the backward pass reads y and does not write it
    TensorView dy, dx;             // gradients of y and x; in the backward pass only
    TensorView addend;             // the second input of an add
    const float *parameters[3];
    float *gradients[3];           // of the parameters; the backward pass writes them
    void *buffers[3];              // the module's buffers, such as running statistics; the forward pass updates them
    char *saved;                   // saved for backward
    char *workspace;               // this op's own; contents are undefined on entry
    TensorView thread_workspace;   // one a thread, shared by all ops; contents are undefined on entry
    uint64_t seed;                 // of this op's dropout mask, drawn once per forward
};

// An op in one direction, as the stages that the executor calls in this order; all but image_pass may be null. Different
// threads do the parts of prologue and finalize, in any order. One thread does at_barrier.
struct Kernel {
    void (*prologue)(const OpArgs &, const Part &);                // e.g. weight packing; no activation exists yet
    void (*image_pass)(const OpArgs &, const ImageTask &);
    void (*at_barrier)(const OpArgs &);                            // a reduction over all images
    void (*second_image_pass)(const OpArgs &, const ImageTask &);  // after at_barrier, and only with it
    void (*finalize)(const OpArgs &, const Part &);                // e.g. the sum of the parameters' gradients
};
