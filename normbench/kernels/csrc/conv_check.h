// Whether two algorithms of a convolution agree. It is for the AMX kind, which is not chosen where it computes something
// else.
#pragma once
#include <vector>

#include "conv.h"

namespace {

template <class To, class From>
std::vector<To> converted(const std::vector<From> &numbers) {
    std::vector<To> to(numbers.size());
    convert<false>(numbers.data(), numbers.size(), to.data());
    return to;
}

// Numbers from -1 to 1 that bfloat16 can hold, of a linear congruential generator.
inline std::vector<float> draw(int64_t count, uint64_t seed) {
    std::vector<float> numbers(count);
    for (float &number : numbers) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        number = (float)(seed >> 32) / (1u << 31) - 1.0f;
    }
    return converted<float>(converted<BFloat16>(numbers));
}

constexpr char kNaN = -1;  // in each byte of a scratch memory: what is read before it is written spoils the result

template <class Algorithm, class T>
std::vector<float> convolved(const ConvDesc &desc, bool backward_data, const std::vector<float> &x,
                             const std::vector<float> &weight, const std::vector<float> &bias) {
    const Geometry geometry = backward_data ? backward_data_geometry(desc) : forward_geometry(desc);
    std::vector<char> packed(Algorithm::packed_bytes(geometry)), scratch(Algorithm::scratch_bytes(geometry), kNaN);
    Algorithm::pack_weight(desc, backward_data, weight.data(), (typename Algorithm::Number *)packed.data(), {0, 1});
    std::vector<T> y(geometry.out_height * geometry.out_width * geometry.out_channels);
    Algorithm::template convolve<false>(geometry, converted<T>(x).data(),
                                        (const typename Algorithm::Number *)packed.data(), bias.data(), scratch.data(),
                                        y.data());
    return converted<float>(y);
}

// y, dx, dweight and dbias of an image whose activations are of type T.
template <class Algorithm, class T>
std::vector<std::vector<float>> results_of(const ConvDesc &desc) {
    const Geometry geometry = forward_geometry(desc);
    const auto x = draw(desc.height * desc.width * desc.in_channels, 1);
    const auto dy = draw(geometry.out_height * geometry.out_width * desc.out_channels, 2);
    const auto weight = draw(desc.size * geometry.window() * desc.out_channels, 3), bias = draw(desc.out_channels, 4);
    std::vector<float> dx, sums(Algorithm::weight_sums(geometry)), dweight(weight.size()), dbias(desc.out_channels);
    if (desc.has_dx) dx = convolved<Algorithm, T>(desc, true, dy, weight, std::vector<float>(desc.in_channels));
    std::vector<char> scratch(Algorithm::gradient_bytes(geometry), kNaN);
    for (int image = 0; image < 2; image++)  // the same one twice: gradients are added
        Algorithm::template add_weight_gradient<false>(geometry, converted<T>(x).data(), converted<T>(dy).data(),
                                                       scratch.data(), sums.data(), dbias.data());
    const auto sum_at = [&](int64_t number) { return load(sums.data() + number); };
    Algorithm::write_gradient(desc, sum_at, dweight.data(), {0, 1});
    return {convolved<Algorithm, T>(desc, false, x, weight, bias), dx, dweight, dbias};
}

// Whether the algorithm A with activations of type T computes what B does with those of type U, but for rounding.
template <class A, class T, class B, class U>
bool agree(const ConvDesc &desc) {
    const auto found = results_of<A, T>(desc), expected = results_of<B, U>(desc);
    for (size_t i = 0; i < expected.size(); i++) {
        const float rounding = i < 2 ? 1.0f / 256 : 0;  // of y and dx to bfloat16
        float largest = 0;
        for (float number : expected[i]) largest = number > largest ? number : -number > largest ? -number : largest;
        for (size_t j = 0; j < expected[i].size(); j++) {
            const float size = __builtin_fabsf(expected[i][j]), difference = __builtin_fabsf(found[i][j] - expected[i][j]);
            if (!(difference <= rounding * size + 1e-5f * largest)) return false;
        }
    }
    return true;
}

}  // namespace
