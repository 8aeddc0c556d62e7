// The network's input: uint8 images [N][C][H W] -> float32 y = scale x + offset, [N][H W][C], scale and offset per
// channel.
#pragma once
#include <cstdint>

struct ImageConversion {
    int64_t num_images, channels, pixels;
    const float *scale, *offset;
    const uint8_t *x;
    float *y;
    int64_t num_threads;
};

extern "C" void images_to_floats(const ImageConversion *conversion);
