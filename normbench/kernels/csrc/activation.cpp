// Activation functions by themselves, elementwise: y = dropout(f(x)).
//
// f is a type with f(x), and with f.backward(x, d) = d f'(x).
#include <cmath>

#include "epilogue.h"
#include "exp.h"

// Images of `count` values, a multiple of 16.
struct ActivationDesc {
    int64_t count;
    int32_t function;  // an index into FUNCTIONS of ops/activation.py
    float slope;       // of leaky_relu for negative x; of elu at 0 from below
    int32_t drop;      // dropout's probability in units of 1 / 65,536
    int32_t bf16;      // 1: activations are bfloat16, 0: float32
};

namespace {

struct Identity {
    f32x16 operator()(f32x16 x) const { return x; }
    f32x16 backward(f32x16, f32x16 d) const { return d; }
};

struct Relu6 {
    f32x16 operator()(f32x16 x) const {
        const f32x16 positive = max_keeping_nan(f32x16{}, x);
        return select(positive > 6, 6, positive);
    }
    f32x16 backward(f32x16 x, f32x16 d) const { return select((x <= 0) | (x >= 6), 0, d); }
};

struct LeakyRelu {
    const float slope;
    f32x16 operator()(f32x16 x) const { return select(x > 0, x, x * slope); }
    f32x16 backward(f32x16 x, f32x16 d) const { return select(x > 0, d, d * slope); }
};

struct Elu {
    const float slope;
    f32x16 operator()(f32x16 x) const { return select(x > 0, x, slope * expm1(x)); }
    f32x16 backward(f32x16 x, f32x16 d) const { return select(x > 0, d, d * slope * (expm1(x) + 1)); }
};

struct Silu {  // x sigmoid(x)
    f32x16 operator()(f32x16 x) const { return x * sigmoid(x); }
    f32x16 backward(f32x16 x, f32x16 d) const {
        const f32x16 s = sigmoid(x);
        return d * s * (1 + x * (1 - s));
    }
};

struct Hardswish {  // x min(max(x + 3, 0), 6) / 6
    f32x16 operator()(f32x16 x) const { return x * Relu6{}(x + 3) * (1.0f / 6); }
    f32x16 backward(f32x16 x, f32x16 d) const {
        const f32x16 between = d * (x * (1.0f / 3) + 0.5f);
        return select(x <= -3, 0, select(x >= 3, d, between));
    }
};

struct Gelu {  // x Phi(x), Phi being the normal distribution function
    // Phi(-|x|): Abramowitz & Stegun 7.1.26, to 8e-8.
    static f32x16 tail(f32x16 x, f32x16 density) {
        const f32x16 t = 1 / (1 + 0.3275911f * 0.707106781f * select(x < 0, -x, x));
        f32x16 series = t * 1.061405429f - 1.453152027f;
        series = series * t + 1.421413741f;
        series = series * t - 0.284496736f;
        series = series * t + 0.254829592f;
        return 0.5f * series * t * density;
    }
    static f32x16 density(f32x16 x) { return expm1(x * x * -0.5f) + 1; }  // but for its factor 1 / sqrt(2 pi)
    static f32x16 distribution(f32x16 x, f32x16 density) {
        const f32x16 below = tail(x, density);
        return select(x < 0, below, 1 - below);
    }
    f32x16 operator()(f32x16 x) const { return x * distribution(x, density(x)); }
    f32x16 backward(f32x16 x, f32x16 d) const {
        const f32x16 height = density(x);
        return d * (distribution(x, height) + x * height * 0.398942280f);
    }
};

struct GeluByTanh {  // x (1 + tanh u) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
    static f32x16 doubled(f32x16 x) { return 1.595769122f * x * (1 + 0.044715f * x * x); }
    f32x16 operator()(f32x16 x) const { return x * sigmoid(doubled(x)); }
    f32x16 backward(f32x16 x, f32x16 d) const {
        x = select(x < -20, -20, select(x > 20, 20, x));  // there the derivative is 0 and 1 in float32
        const f32x16 s = sigmoid(doubled(x)), slope = 1.595769122f * (1 + 3 * 0.044715f * x * x);
        return d * s * (1 + x * (1 - s) * slope);
    }
};

// Calls `call` with the function and a value of the activations' type.
template <class Call>
void dispatch(const ActivationDesc &desc, const Call &call) {
    if (desc.count % kLanes) unsupported("activation", "number of values", desc.count);
    dispatch_dtype("activation", desc.bf16, [&](auto dtype) {
        switch (desc.function) {
            case 0: return call(Identity{}, dtype);
            case 1: return call(Relu(true), dtype);
            case 2: return call(Relu6{}, dtype);
            case 3: return call(LeakyRelu{desc.slope}, dtype);
            case 4: return call(Elu{desc.slope}, dtype);
            case 5: return call(Silu{}, dtype);
            case 6: return call(Hardswish{}, dtype);
            case 7: return call(Gelu{}, dtype);
            case 8: return call(GeluByTanh{}, dtype);
        }
        unsupported("activation", "function", desc.function);
    });
}

void forward(const OpArgs &args, const ImageTask &task) {
    const ActivationDesc desc = *(const ActivationDesc *)args.desc;
    dispatch(desc, [&](auto function, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task);
        T *y = args.y.at<T>(task);
        Dropout dropout(desc.drop, args.seed, task.image);
        for (int64_t i = 0; i < desc.count; i += kLanes) store(y + i, dropout(function(load(x + i))));
    });
}

void backward(const OpArgs &args, const ImageTask &task) {
    const ActivationDesc desc = *(const ActivationDesc *)args.desc;
    dispatch(desc, [&](auto function, auto dtype) {
        using T = decltype(dtype);
        const T *x = args.x.at<T>(task), *dy = args.dy.at<T>(task);
        T *dx = args.dx.at<T>(task);
        Dropout dropout(desc.drop, args.seed, task.image);
        for (int64_t i = 0; i < desc.count; i += kLanes)
            store(dx + i, function.backward(load(x + i), dropout(load(dy + i))));
    });
}

}  // namespace

extern "C" {
extern const Kernel activation_forward = {nullptr, forward, nullptr, nullptr, nullptr};
extern const Kernel activation_backward = {nullptr, backward, nullptr, nullptr, nullptr};

int64_t sizeof_ActivationDesc() { return sizeof(ActivationDesc); }
}
