// What a kernel is, and what it is given. The kernels of a chain take an image one after the other, while it is in the
// cache; only those that look at several images at once wait for each other.
#pragma once
#include <cstdint>

extern "C" int omp_get_thread_num(void);  // of <omp.h>, which not every compiler brings along

// What is summed over images is summed in parts, however many threads there are: threads change no bit.
inline int64_t parts_of(int64_t images) { return images < 16 ? images : 16; }
inline int64_t first_image(int64_t images, int64_t part) { return part * images / parts_of(images); }

struct Place {
    int64_t image, part;
    bool is_first;  // image of its part
    int thread;
};

// Images, or room for one image a thread.
struct Images {
    char *begin;
    int64_t per_image, per_thread;  // bytes; one of them is 0

    template <class T>
    T *at(const Place &place) const {
        return (T *)(begin + place.image * per_image + place.thread * per_thread);
    }
    template <class T>
    T *all() const {  // of a kernel that said so
        return (T *)begin;
    }
};

// A layer and where its tensors are. A kernel uses those that it is said to; the others may be null.
struct Work {
    const void *layer;
    Images x, y, d_y, d_x;  // the gradients in the backward pass only, in which y is not written
    Images other;           // beside x, of a sum
    const float *parameters[2];
    float *gradients[2];  // of the parameters, to be written in the backward pass
    void *buffers[3];     // what the layer stores, moved in the forward pass
    char *kept;           // what the forward pass leaves for the backward pass
    char *scratch;        // of this layer
    Images shared;        // a thread's, between the layers: nobody finds there what was written before
    uint64_t seed;        // of what is dropped
};

// In the order of their calls; null where there is nothing to do. All threads call the first and the last two together,
// and share the work by `omp for`.
struct Kernel {
    void (*prepare)(const Work &);              // before anything else in the chain: the images are not there yet
    void (*image)(const Work &, const Place &);
    void (*between)(const Work &);              // when all images have come so far
    void (*image_again)(const Work &, const Place &);
    void (*finish)(const Work &);
};
