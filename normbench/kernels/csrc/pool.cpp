// Pooling: 2x2 max pooling, and global average pooling (the mean over the pixels of each channel).
#include "dispatch.h"
#include "graph.h"

// Input images [height][width][channels], channels a multiple of 16.
struct PoolDesc {
    int64_t height, width, channels;
    int64_t bf16;  // 1: activations are bfloat16, 0: float32

    int64_t pixels() const { return height * width; }
    int64_t pooled_count() const { return pixels() / 4 * channels; }  // values of an output image of max pooling
};

namespace {

// Calls `call` with the descriptor and a value of the activations' type.
template <class Call>
void dispatch(const OpArgs &args, const Call &call) {
    const PoolDesc desc = *(const PoolDesc *)args.desc;  // a copy, which no store to an output can change
    if (desc.channels % kLanes) unsupported("pool", "number of channels", desc.channels);
    dispatch_dtype("pool", desc.bf16, [&](auto dtype) { call(desc, dtype); });
}

// The four pixels of a window, row by row.
template <class T>
struct Window {
    T *corners[4];

    Window(const PoolDesc &desc, T *image, int64_t h, int64_t w, int64_t c) {
        const int64_t row = desc.width * desc.channels;
        T *first = image + 2 * h * row + 2 * w * desc.channels + c;
        corners[0] = first, corners[1] = first + desc.channels;
        corners[2] = first + row, corners[3] = first + row + desc.channels;
    }
};

// Calls `call(h, w, c, i)` for each vector i of an output image of max pooling.
template <class Call>
void for_each_output(const PoolDesc &desc, const Call &call) {
    if (desc.height % 2) unsupported("max_pool", "height", desc.height);
    if (desc.width % 2) unsupported("max_pool", "width", desc.width);
    int64_t i = 0;
    for (int64_t h = 0; h < desc.height / 2; h++)
        for (int64_t w = 0; w < desc.width / 2; w++)
            for (int64_t c = 0; c < desc.channels; c += kLanes, i += kLanes) call(h, w, c, i);
}

// saved: which corner of its window each output came from, one byte a value.
uint8_t *argmax_of(const OpArgs &args, const PoolDesc &desc, const ImageTask &task) {
    return (uint8_t *)args.saved + task.image * desc.pooled_count();
}

void max_forward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const PoolDesc &desc, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        T *y = args.y.at<T>(task);
        uint8_t *argmax = argmax_of(args, desc, task);
        for_each_output(desc, [&](int64_t h, int64_t w, int64_t c, int64_t i) {
            const Window<const T> window(desc, x, h, w, c);
            f32x16 best = load(window.corners[0]);
            i32x16 corner = {};
            for (int j = 1; j < 4; j++) {
                const f32x16 value = load(window.corners[j]);
                const i32x16 wins = (value > best) | (value != value);  // NaN wins, as in PyTorch
                best = wins ? value : best;
                corner = wins ? i32x16{} + j : corner;
            }
            store(y + i, best);
            const u8x16 bytes = __builtin_convertvector(corner, u8x16);
            memcpy(argmax + i, &bytes, sizeof bytes);
        });
    });
}

// dx is dy at the corner that won, and 0 at the other three.
void max_backward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const PoolDesc &desc, auto dtype) {
        using T = decltype(dtype);
        const T *dy = args.dy.at<T>(task);
        T *dx = args.dx.at<T>(task);
        const uint8_t *argmax = argmax_of(args, desc, task);
        for_each_output(desc, [&](int64_t h, int64_t w, int64_t c, int64_t i) {
            u8x16 bytes;
            memcpy(&bytes, argmax + i, sizeof bytes);
            const i32x16 corner = __builtin_convertvector(bytes, i32x16);
            const f32x16 d = load(dy + i);
            const Window<T> window(desc, dx, h, w, c);
            for (int j = 0; j < 4; j++) store(window.corners[j], corner == j ? d : f32x16{});
        });
    });
}

// y is float32 for either dtype of x.
void average_forward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const PoolDesc &desc, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        for (int64_t c = 0; c < desc.channels; c += kLanes) {
            f32x16 sum = {};
            for (int64_t p = 0; p < desc.pixels(); p++) sum += load(x + p * desc.channels + c);
            store(args.y.at<float>(task) + c, sum / (float)desc.pixels());
        }
    });
}

void average_backward(const OpArgs &args, const ImageTask &task) {
    dispatch(args, [&](const PoolDesc &desc, auto dtype) {
        using T = decltype(dtype);
        T *dx = args.dx.at<T>(task);
        for (int64_t c = 0; c < desc.channels; c += kLanes) {
            const f32x16 d = load(args.dy.at<float>(task) + c) / (float)desc.pixels();
            for (int64_t p = 0; p < desc.pixels(); p++) store(dx + p * desc.channels + c, d);
        }
    });
}

}  // namespace

extern "C" {
extern const Kernel max_pool_forward = {nullptr, max_forward, nullptr, nullptr, nullptr};
extern const Kernel max_pool_backward = {nullptr, max_backward, nullptr, nullptr, nullptr};
extern const Kernel global_avg_pool_forward = {nullptr, average_forward, nullptr, nullptr, nullptr};
extern const Kernel global_avg_pool_backward = {nullptr, average_backward, nullptr, nullptr, nullptr};

int64_t sizeof_PoolDesc() { return sizeof(PoolDesc); }
}
