// The network's input: uint8 images [N][3][H W] -> float32 y = scale x + offset, [N][H W][3], scale and offset per
// color.
#include "vectors.h"

extern "C" void images_to_floats(int64_t num_images, int64_t pixels, const uint8_t *x, const float *scale,
                                 const float *offset, float *y, int num_threads) {
    constexpr int kColors = 3;
#pragma omp parallel for schedule(static) num_threads(num_threads)
    for (int64_t n = 0; n < num_images; n++) {
        const uint8_t *red = x + n * kColors * pixels, *green = red + pixels, *blue = green + pixels;
        float *to = y + n * kColors * pixels;
        for (int64_t p = 0; p < pixels; p++) {
            to[kColors * p] = scale[0] * red[p] + offset[0];
            to[kColors * p + 1] = scale[1] * green[p] + offset[1];
            to[kColors * p + 2] = scale[2] * blue[p] + offset[2];
        }
    }
}
