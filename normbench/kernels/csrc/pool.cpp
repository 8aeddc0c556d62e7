// Max pooling of 2x2 pixels, and the mean of all pixels.
#include "chain.h"
#include "vectors.h"

namespace {

// A layer over images [height][width][channels], channels a multiple of 16.
struct Pool {
    int64_t height, width, channels;
    int64_t bf16;  // whether activations are bfloat16, else float32

    int64_t pixels() const { return height * width; }
    int64_t pooled() const { return pixels() / 4 * channels; }
};

inline const Pool &pool_of(const Work &work) { return *(const Pool *)work.layer; }

template <class Call>
void dispatch(const Pool &pool, const Call &call) {
    if (pool.bf16)
        call(BFloat16{});
    else
        call(float{});
}

// To half the height and width. winner: which of its four pixels each came from.
template <class T>
void max_pool(const Pool &pool, const T *x, T *y, uint8_t *winner) {
    const int64_t width = pool.width, channels = pool.channels, row = width * channels;
    for (int64_t r = 0; r < pool.height / 2; r++)
        for (int64_t w = 0; w < width / 2; w++)
            for (int64_t c = 0; c < channels; c += kLanes) {
                const T *at = x + 2 * r * row + 2 * w * channels + c;
                const T *corners[] = {at, at + channels, at + row, at + row + channels};
                Floats best = load(corners[0]);
                Flags which = {};
                for (int i = 1; i < 4; i++) {
                    const Floats value = load(corners[i]);
                    const Flags wins = (value > best) | (value != value);  // as PyTorch: a NaN stays to be seen
                    best = wins ? value : best;
                    which = wins ? Flags{} + i : which;
                }
                const int64_t to = (r * (width / 2) + w) * channels + c;
                store(y + to, best);
                const Bytes bytes = __builtin_convertvector(which, Bytes);
                memcpy(winner + to, &bytes, sizeof bytes);
            }
}

template <class T>
void max_pool_backward(const Pool &pool, const T *d_y, const uint8_t *winner, T *d_x) {
    const int64_t width = pool.width, channels = pool.channels, row = width * channels;
    for (int64_t r = 0; r < pool.height / 2; r++)
        for (int64_t w = 0; w < width / 2; w++)
            for (int64_t c = 0; c < channels; c += kLanes) {
                const int64_t from = (r * (width / 2) + w) * channels + c;
                Bytes bytes;
                memcpy(&bytes, winner + from, sizeof bytes);
                const Flags which = __builtin_convertvector(bytes, Flags);
                const Floats d = load(d_y + from);
                T *at = d_x + 2 * r * row + 2 * w * channels + c;
                T *corners[] = {at, at + channels, at + row, at + row + channels};
                for (int i = 0; i < 4; i++) store(corners[i], which == i ? d : Floats{});
            }
}

void pool_images(const Work &work, const Place &at) {
    const Pool &pool = pool_of(work);
    dispatch(pool, [&](auto type) {
        using T = decltype(type);
        max_pool<T>(pool, work.x.at<T>(at), work.y.at<T>(at), (uint8_t *)work.kept + at.image * pool.pooled());
    });
}

void pool_gradients(const Work &work, const Place &at) {
    const Pool &pool = pool_of(work);
    dispatch(pool, [&](auto type) {
        using T = decltype(type);
        max_pool_backward<T>(pool, work.d_y.at<T>(at), (const uint8_t *)work.kept + at.image * pool.pooled(),
                             work.d_x.at<T>(at));
    });
}

// To float32, whatever x is.
void mean_of_pixels(const Work &work, const Place &at) {
    const Pool &pool = pool_of(work);
    dispatch(pool, [&](auto type) {
        using T = decltype(type);
        for (int64_t c = 0; c < pool.channels; c += kLanes) {
            Floats sum = {};
            for (int64_t p = 0; p < pool.pixels(); p++) sum += load(work.x.at<T>(at) + p * pool.channels + c);
            store(work.y.at<float>(at) + c, sum / (float)pool.pixels());
        }
    });
}

void mean_gradients(const Work &work, const Place &at) {
    const Pool &pool = pool_of(work);
    dispatch(pool, [&](auto type) {
        using T = decltype(type);
        for (int64_t c = 0; c < pool.channels; c += kLanes) {
            const Floats d = load(work.d_y.at<float>(at) + c) / (float)pool.pixels();
            for (int64_t p = 0; p < pool.pixels(); p++) store(work.d_x.at<T>(at) + p * pool.channels + c, d);
        }
    });
}

}  // namespace

extern "C" {
extern const Kernel pool_forward = {nullptr, pool_images, nullptr, nullptr, nullptr};
extern const Kernel pool_backward = {nullptr, pool_gradients, nullptr, nullptr, nullptr};
extern const Kernel mean_forward = {nullptr, mean_of_pixels, nullptr, nullptr, nullptr};
extern const Kernel mean_backward = {nullptr, mean_gradients, nullptr, nullptr, nullptr};
}
