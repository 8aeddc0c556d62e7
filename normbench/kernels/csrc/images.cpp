// Images from bytes to floats.
#include "vectors.h"

// What Python calls: [images][colours][pixels] -> scale x + offset, [images][pixels][colours].
extern "C" void images_to_floats(int64_t images, int64_t pixels, const uint8_t *x, const float *scale,
                                 const float *offset, float *y, int threads) {
    constexpr int kColours = 3;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t n = 0; n < images; n++) {
        const uint8_t *red = x + n * kColours * pixels, *green = red + pixels, *blue = green + pixels;
        float *to = y + n * kColours * pixels;
        for (int64_t p = 0; p < pixels; p++) {
            to[kColours * p] = scale[0] * red[p] + offset[0];
            to[kColours * p + 1] = scale[1] * green[p] + offset[1];
            to[kColours * p + 2] = scale[2] * blue[p] + offset[2];
        }
    }
}
