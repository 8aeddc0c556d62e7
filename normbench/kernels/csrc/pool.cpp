// Pooling: the maximum or the mean of each window of pixels, and the mean of all pixels of each channel.
#include <algorithm>
#include <cmath>

#include "dispatch.h"
#include "graph.h"

// Input images [height][width][channels], channels a multiple of 16. Windows are square, and `stride` pixels apart, the
// first one at -padding; pixels outside of the image do not count as maximum and are zeros in a mean.
struct PoolDesc {
    int64_t height, width, channels;
    int64_t kernel, stride, padding;
    int64_t bf16;  // 1: activations are bfloat16, 0: float32

    int64_t pixels() const { return height * width; }
    int64_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
    int64_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
    int64_t out_count() const { return out_height() * out_width() * channels; }  // values of an output image
};

namespace {

constexpr int64_t kMaxKernel = 15;  // a pixel's number in its window is one byte

// The size of windows. The most common one is known to the compiler, so that loops over its pixels unroll.
struct TwoByTwo {
    static constexpr int64_t kernel = 2, stride = 2, padding = 0;
};
struct AnyWindow {
    const int64_t kernel, stride, padding;
};

// Calls `call` with the descriptor and a value of the activations' type.
template <class Call>
void dispatch(const OpArgs &args, const Call &call) {
    const PoolDesc desc = *(const PoolDesc *)args.desc;  // a copy, which no store to an output can change
    if (desc.channels % kLanes) unsupported("pool", "number of channels", desc.channels);
    dispatch_dtype("pool", desc.bf16, [&](auto dtype) { call(desc, dtype); });
}

template <class Call>
void dispatch_window(const OpArgs &args, const Call &call) {
    dispatch(args, [&](const PoolDesc &desc, auto dtype) {
        if (desc.kernel < 1 || desc.kernel > kMaxKernel) unsupported("pool", "kernel size", desc.kernel);
        if (desc.stride < 1) unsupported("pool", "stride", desc.stride);
        if (desc.kernel == 2 && desc.stride == 2 && desc.padding == 0) return call(desc, TwoByTwo{}, dtype);
        call(desc, AnyWindow{desc.kernel, desc.stride, desc.padding}, dtype);
    });
}

// Calls `call(i, taps)` for each vector i of an output image, where `taps(visit)` calls `visit(j, at)` for each pixel of
// its window that is in the image: the pixel's number in the window, row by row, and where its vector is in the image.
template <class Window, class Call>
void for_each_output(const PoolDesc &desc, const Window &window, const Call &call) {
    const int64_t out_height = desc.out_height(), out_width = desc.out_width();
    int64_t i = 0;
    for (int64_t oh = 0; oh < out_height; oh++)
        for (int64_t ow = 0; ow < out_width; ow++) {
            const int64_t top = oh * window.stride - window.padding, left = ow * window.stride - window.padding;
            int64_t h_begin = 0, h_end = window.kernel, w_begin = 0, w_end = window.kernel;
            if (window.padding > 0) {
                h_begin = std::max<int64_t>(0, -top), h_end = std::min(h_end, desc.height - top);
                w_begin = std::max<int64_t>(0, -left), w_end = std::min(w_end, desc.width - left);
            }
            const int64_t corner = (top * desc.width + left) * desc.channels;
            for (int64_t c = 0; c < desc.channels; c += kLanes, i += kLanes)
                call(i, [&](const auto &visit) {
                    for (int64_t h = h_begin; h < h_end; h++)
                        for (int64_t w = w_begin; w < w_end; w++)
                            visit((int)(h * window.kernel + w), corner + c + (h * desc.width + w) * desc.channels);
                });
        }
}

// dx of an image. `share_of(i)(j)` is what output i gives to pixel j of its window. sums: float32, of the image's size, for
// windows that overlap.
template <class T, class Window, class ShareOf>
void differentiate(const PoolDesc &desc, const Window &window, float *sums, T *dx, const ShareOf &share_of) {
    const int64_t count = desc.pixels() * desc.channels;
    if (window.kernel > window.stride) {
        memset(sums, 0, count * sizeof *sums);
        for_each_output(desc, window, [&](int64_t i, const auto &taps) {
            const auto share = share_of(i);
            taps([&](int j, int64_t at) { store(sums + at, load(sums + at) + share(j)); });
        });
        for (int64_t i = 0; i < count; i += kLanes) store(dx + i, load(sums + i));
        return;
    }
    const bool covers = window.kernel == window.stride && window.padding == 0 && desc.height % window.stride == 0 &&
                        desc.width % window.stride == 0;
    if (!covers) memset((void *)dx, 0, count * sizeof *dx);
    for_each_output(desc, window, [&](int64_t i, const auto &taps) {
        const auto share = share_of(i);
        taps([&](int j, int64_t at) { store(dx + at, share(j)); });
    });
}

// saved: which pixel of its window each output came from, one byte a value.
uint8_t *argmax_of(const OpArgs &args, const PoolDesc &desc, const ImageTask &task) {
    return (uint8_t *)args.saved + task.image * desc.out_count();
}

void max_forward(const OpArgs &args, const ImageTask &task) {
    dispatch_window(args, [&](const PoolDesc &desc, const auto &window, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        T *y = args.y.at<T>(task);
        uint8_t *argmax = argmax_of(args, desc, task);
        for_each_output(desc, window, [&](int64_t i, const auto &taps) {
            f32x16 best = -INFINITY;
            i32x16 winner = -1;  // none yet
            taps([&](int j, int64_t at) {
                const f32x16 value = load(x + at);
                const i32x16 wins = (value > best) | (value != value) | (winner < 0);  // NaN wins, as in PyTorch
                best = select(wins, value, best);
                winner = select(wins, j, winner);
            });
            store(y + i, best);
            store_bytes(argmax + i, winner);
        });
    });
}

// dy goes to the pixel that won.
void max_backward(const OpArgs &args, const ImageTask &task) {
    dispatch_window(args, [&](const PoolDesc &desc, const auto &window, auto dtype) {
        using T = decltype(dtype);
        const T *dy = args.dy.at<T>(task);
        const uint8_t *argmax = argmax_of(args, desc, task);
        differentiate(desc, window, args.thread_workspace.at<float>(task), args.dx.at<T>(task), [&](int64_t i) {
            const i32x16 winner = load_bytes(argmax + i);
            const f32x16 d = load(dy + i);
            return [=](int j) { return select(winner == j, d, 0); };
        });
    });
}

void mean_forward(const OpArgs &args, const ImageTask &task) {
    dispatch_window(args, [&](const PoolDesc &desc, const auto &window, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        T *y = args.y.at<T>(task);
        const float scale = 1.0f / (float)(window.kernel * window.kernel);
        for_each_output(desc, window, [&](int64_t i, const auto &taps) {
            f32x16 sum = {};
            taps([&](int, int64_t at) { sum += load(x + at); });
            store(y + i, sum * scale);
        });
    });
}

void mean_backward(const OpArgs &args, const ImageTask &task) {
    dispatch_window(args, [&](const PoolDesc &desc, const auto &window, auto dtype) {
        using T = decltype(dtype);
        const T *dy = args.dy.at<T>(task);
        const float scale = 1.0f / (float)(window.kernel * window.kernel);
        differentiate(desc, window, args.thread_workspace.at<float>(task), args.dx.at<T>(task), [&](int64_t i) {
            const f32x16 d = load(dy + i) * scale;
            return [=](int) { return d; };
        });
    });
}

// y is float32 for either dtype of x.
void global_forward(const OpArgs &args, const ImageTask &task) {
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

void global_backward(const OpArgs &args, const ImageTask &task) {
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
extern const Kernel avg_pool_forward = {nullptr, mean_forward, nullptr, nullptr, nullptr};
extern const Kernel avg_pool_backward = {nullptr, mean_backward, nullptr, nullptr, nullptr};
extern const Kernel global_avg_pool_forward = {nullptr, global_forward, nullptr, nullptr, nullptr};
extern const Kernel global_avg_pool_backward = {nullptr, global_backward, nullptr, nullptr, nullptr};

int64_t sizeof_PoolDesc() { return sizeof(PoolDesc); }
}
