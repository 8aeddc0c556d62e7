// Max pooling of 2x2 pixels, and the mean of all pixels.
#include "vectors.h"

namespace {

// [images, height, width, channels] -> half the height and width; `winner`: which of its four pixels each came from.
template <class T>
void max_pool(int64_t images, int64_t height, int64_t width, int64_t channels, const T *x, T *y, uint8_t *winner,
              int threads) {
    const int64_t rows = images * height / 2, row = width * channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t r = 0; r < rows; r++)
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
void max_pool_backward(int64_t images, int64_t height, int64_t width, int64_t channels, const T *d_y,
                       const uint8_t *winner, T *d_x, int threads) {
    const int64_t rows = images * height / 2, row = width * channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t r = 0; r < rows; r++)
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

template <class T>
void mean_of_pixels(int64_t images, int64_t pixels, int64_t channels, const T *x, float *mean, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t n = 0; n < images; n++)
        for (int64_t c = 0; c < channels; c += kLanes) {
            Floats sum = {};
            for (int64_t p = 0; p < pixels; p++) sum += load(x + (n * pixels + p) * channels + c);
            store(mean + n * channels + c, sum / (float)pixels);
        }
}

template <class T>
void mean_of_pixels_backward(int64_t images, int64_t pixels, int64_t channels, const float *d_mean, T *d_x,
                             int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t n = 0; n < images; n++)
        for (int64_t c = 0; c < channels; c += kLanes) {
            const Floats d = load(d_mean + n * channels + c) / (float)pixels;
            for (int64_t p = 0; p < pixels; p++) store(d_x + (n * pixels + p) * channels + c, d);
        }
}

}  // namespace

// What Python calls. `bf16`: whether activations are bfloat16, else float32.
extern "C" {

void pool_forward(int64_t images, int64_t height, int64_t width, int64_t channels, int bf16, const void *x, void *y,
                  uint8_t *winner, int threads) {
    if (bf16)
        max_pool(images, height, width, channels, (const BFloat16 *)x, (BFloat16 *)y, winner, threads);
    else
        max_pool(images, height, width, channels, (const float *)x, (float *)y, winner, threads);
}

void pool_backward(int64_t images, int64_t height, int64_t width, int64_t channels, int bf16, const void *d_y,
                   const uint8_t *winner, void *d_x, int threads) {
    if (bf16)
        max_pool_backward(images, height, width, channels, (const BFloat16 *)d_y, winner, (BFloat16 *)d_x, threads);
    else
        max_pool_backward(images, height, width, channels, (const float *)d_y, winner, (float *)d_x, threads);
}

// [images][pixels][channels], channels a multiple of 16 -> [images][channels].
void mean_forward(int64_t images, int64_t pixels, int64_t channels, int bf16, const void *x, float *mean, int threads) {
    if (bf16)
        mean_of_pixels(images, pixels, channels, (const BFloat16 *)x, mean, threads);
    else
        mean_of_pixels(images, pixels, channels, (const float *)x, mean, threads);
}

void mean_backward(int64_t images, int64_t pixels, int64_t channels, int bf16, const float *d_mean, void *d_x,
                   int threads) {
    if (bf16)
        mean_of_pixels_backward(images, pixels, channels, d_mean, (BFloat16 *)d_x, threads);
    else
        mean_of_pixels_backward(images, pixels, channels, d_mean, (float *)d_x, threads);
}
}
