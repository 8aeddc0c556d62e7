// Compares the convolutions of one level with the formula in float64, at many shapes. Prints what differs.
#include "conv.cpp"
#include "conv_check.h"

// The formula, as an algorithm of conv.cpp. Weights stay as they are.
struct Formula : Direct<Fma> {
    static int64_t packed_bytes(const Geometry &geometry) {
        return geometry.size * geometry.window() * geometry.out_channels * sizeof(float);
    }
    static int64_t scratch_bytes(const Geometry &) { return 0; }
    static int64_t gradient_bytes(const Geometry &) { return 0; }

    // [out_channels][in_channels][size][size]
    static void pack_weight(const ConvDesc &desc, bool backward_data, const float *weight, float *to, const Part &) {
        const int64_t area = desc.size * desc.size;
        for (int64_t o = 0; o < desc.out_channels; o++)
            for (int64_t c = 0; c < desc.in_channels; c++)
                for (int64_t k = 0; k < area; k++) {
                    const float number = weight[(o * desc.in_channels + c) * area + k];
                    if (backward_data)
                        to[(c * desc.out_channels + o) * area + area - 1 - k] = number;
                    else
                        to[(o * desc.in_channels + c) * area + k] = number;
                }
    }

    // Calls `call` for each output, each filter row and column, and the input pixel that they meet.
    template <class Call>
    static void for_each_meeting(const Geometry &geometry, const Call &call) {
        for (int64_t h = 0; h < geometry.out_height; h++)
            for (int64_t w = 0; w < geometry.out_width; w++)
                for (int64_t ky = 0; ky < geometry.size; ky++)
                    for (int64_t kx = 0; kx < geometry.size; kx++) {
                        const int64_t y = h * geometry.stride + ky - geometry.pad();
                        const int64_t x = w * geometry.stride + kx - geometry.pad();
                        if (y < 0 || x < 0 || y % geometry.spacing || x % geometry.spacing) continue;
                        const int64_t row = y / geometry.spacing, column = x / geometry.spacing;
                        if (row < geometry.in_height && column < geometry.in_width)
                            call(h * geometry.out_width + w, ky, kx, row * geometry.in_width + column);
                    }
    }

    template <bool kRounded, class X, class Y>
    static void convolve(const Geometry &geometry, const X *x, const float *weights, const float *bias, char *, Y *y) {
        const int64_t in = geometry.in_channels, out = geometry.out_channels, size = geometry.size;
        std::vector<double> sums(geometry.out_height * geometry.out_width * out);
        for (size_t i = 0; i < sums.size(); i++) sums[i] = bias[i % out];
        for_each_meeting(geometry, [&](int64_t output, int64_t ky, int64_t kx, int64_t input) {
            for (int64_t o = 0; o < out; o++)
                for (int64_t c = 0; c < in; c++)
                    sums[output * out + o] += (double)x[input * in + c] * weights[((o * in + c) * size + ky) * size + kx];
        });
        for (size_t i = 0; i < sums.size(); i++) y[i] = (float)sums[i];
    }

    template <bool kRounded, class X, class Y>
    static void add_weight_gradient(const Geometry &geometry, const X *x, const Y *dy, char *, float *sums, float *dbias) {
        const int64_t in = geometry.in_channels, out = geometry.out_channels, row = gradient_row(geometry);
        std::vector<double> dweight(sums, sums + weight_sums(geometry));
        for_each_meeting(geometry, [&](int64_t output, int64_t ky, int64_t kx, int64_t input) {
            for (int64_t o = 0; o < out; o++)
                for (int64_t c = 0; c < in; c++)
                    dweight[(ky * out + o) * row + kx * in + c] += (double)x[input * in + c] * dy[output * out + o];
        });
        for (size_t i = 0; i < dweight.size(); i++) sums[i] = (float)dweight[i];
        for (int64_t i = 0; i < geometry.out_height * geometry.out_width * out; i++) dbias[i % out] += dy[i];
    }
};

int main() {
    struct Case {
        int64_t height, width, in_channels, out_channels;
    };
    const Case cases[] = {{1, 1, 16, 16},   {4, 4, 16, 16},   {8, 8, 32, 32},  {8, 8, 3, 16},
                          {5, 17, 16, 48},  {17, 6, 48, 32},  {9, 9, 4, 16},   {16, 16, 16, 32},
                          {32, 32, 16, 32}, {13, 50, 64, 48}, {90, 33, 48, 16}};  // the last two: groups, strips
    bool all = true;
    for (const Case &of : cases)
        for (int64_t size : {1, 3})
            for (int64_t stride : {1, 2}) {
                const int64_t in = of.in_channels, area = size * size;
                const ConvDesc desc = {1, of.height, of.width, in, of.out_channels, size, stride,
                                       {in * area, area, size, 1}, 1, 1, in % kLanes == 0};
                const auto check = [&](const char *name, bool is_right) {
                    if (is_right) return;
                    printf("%s differs: %dx%d pixels, %d to %d channels, size %d, stride %d\n", name, (int)of.height,
                           (int)of.width, (int)in, (int)of.out_channels, (int)size, (int)stride);
                    all = false;
                };
                check("float32", agree<Direct<Fma>, float, Formula, float>(desc));
                check("bfloat16", agree<Direct<KindOf<BFloat16>::Kind>, BFloat16, Formula, float>(desc));
                if (!Winograd::fits(desc)) continue;
                check("float32 by Winograd", agree<Winograd, float, Formula, float>(desc));
                check("bfloat16 by Winograd", agree<Winograd, BFloat16, Formula, float>(desc));
            }
    return all ? 0 : 1;
}
