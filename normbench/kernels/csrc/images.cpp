// From bytes to a network's input. See images.h.
#include "images.h"

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

extern "C" {

void images_to_floats(const ImageConversion *conversion) {
    const ImageConversion &it = *conversion;
    const auto convert = it.channels == 3 ? one_image<3> : it.channels == 1 ? one_image<1> : one_image<0>;
    parallel_for(it.num_images, it.num_threads, [&](int64_t n, int) {
        const int64_t at = n * it.channels * it.pixels;
        convert(it.channels, it.pixels, it.x + at, it.scale, it.offset, it.y + at);
    });
}

int64_t sizeof_ImageConversion() { return sizeof(ImageConversion); }
}
