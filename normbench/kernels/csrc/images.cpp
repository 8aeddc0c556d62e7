// The network's input: uint8 images [N][C][H W] -> float32 y = scale x + offset, [N][H W][C], scale and offset per
// channel.
#include "threads.h"
#include "vectors.h"

namespace {

// kChannels 0: as many as `channels` says. A count that the compiler knows makes vectors of the inner loop.
template <int kChannels>
void one_image(int64_t channels, int64_t pixels, const uint8_t *x, const float *scale, const float *offset, float *y) {
    if (kChannels) channels = kChannels;
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) y[channels * p + c] = scale[c] * x[pixels * c + p] + offset[c];
}

}  // namespace

extern "C" void images_to_floats(int64_t num_images, int64_t channels, int64_t pixels, const uint8_t *x,
                                 const float *scale, const float *offset, float *y, int num_threads) {
    const auto convert = channels == 3 ? one_image<3> : channels == 1 ? one_image<1> : one_image<0>;
    parallel_for(num_images, num_threads, [&](int64_t n, int) {
        const int64_t at = n * channels * pixels;
        convert(channels, pixels, x + at, scale, offset, y + at);
    });
}
