// One step of Muon on several filters at once: train/optimizers/muon.py has the formulas and their source.
#include "dispatch.h"
#include "threads.h"
#include "vectors.h"

// The filters of a convolution as a matrix [rows][columns], row-major, as are gradient and momentum. Both sides are
// multiples of 16.
struct MuonFilter {
    int64_t rows, columns;
    float *weight;
    const float *gradient;
    float *momentum;

    int64_t count() const { return rows * columns; }
    int64_t side() const { return rows < columns ? rows : columns; }
};

// The options of a step.
struct MuonRule {
    int64_t iterations;  // of Newton-Schulz
    float a, b, c;       // its coefficients
    float lr, momentum;
    int32_t num_threads;
};

namespace {

constexpr int kTileRows = 8;

// The micro-kernel of `matmul`: tiles of 8 rows and V x 16 columns, whose sums stay in registers.
template <int V>
void matmul_tiles(int64_t rows, int64_t inner, int64_t columns, const float *a, int64_t a_row, int64_t a_inner,
                  const float *b, float scale, float *to) {
    for (int64_t r = 0; r < rows; r += kTileRows)
        for (int64_t c = 0; c < columns; c += V * kLanes) {
            f32x16 sum[kTileRows][V] = {};
            for (int64_t k = 0; k < inner; k++) {
                f32x16 right[V];
                for (int v = 0; v < V; v++) right[v] = load(b + k * columns + c + v * kLanes);
                for (int i = 0; i < kTileRows; i++)
                    for (int v = 0; v < V; v++) sum[i][v] += a[(r + i) * a_row + k * a_inner] * right[v];
            }
            for (int i = 0; i < kTileRows; i++)
                for (int v = 0; v < V; v++) store(to + (r + i) * columns + c + v * kLanes, scale * sum[i][v]);
        }
}

// to = scale A B for A[r][k] = a[r a_row + k a_inner], B [inner][columns] and to [rows][columns].
void matmul(int64_t rows, int64_t inner, int64_t columns, const float *a, int64_t a_row, int64_t a_inner,
            const float *b, float scale, float *to) {
    if (columns % (2 * kLanes) == 0)
        matmul_tiles<2>(rows, inner, columns, a, a_row, a_inner, b, scale, to);
    else
        matmul_tiles<1>(rows, inner, columns, a, a_row, a_inner, b, scale, to);
}

// Newton-Schulz on the Gram matrix G: the product of all P = a I + b G + c G G, with G <- P G P after each. All
// matrices are [side][side] and symmetric. Overwrites gram, factor and temporary.
void newton_schulz(const MuonRule &rule, int64_t side, float *gram, float *product, float *factor, float *temporary) {
    const auto multiply = [side](const float *left, const float *right, float *to) {
        matmul(side, side, side, left, side, 1, right, 1, to);
    };
    for (int64_t iteration = 0; iteration < rule.iterations; iteration++) {
        float *p = iteration == 0 ? product : factor;
        multiply(gram, gram, p);
        for (int64_t i = 0; i < side * side; i += kLanes)
            store(p + i, rule.c * load(p + i) + rule.b * load(gram + i));
        for (int64_t i = 0; i < side; i++) p[i * side + i] += rule.a;
        if (iteration + 1 < rule.iterations) {
            multiply(p, gram, temporary);
            multiply(temporary, p, gram);
        }
        if (iteration > 0) {
            multiply(factor, product, temporary);
            memcpy(product, temporary, side * side * sizeof *temporary);
        }
    }
}

void step(const MuonRule &rule, const MuonFilter &filter, float *workspace) {
    const int64_t count = filter.count(), side = filter.side(), longer = count / side;
    const bool tall = filter.rows > filter.columns;
    float *x = workspace, *transposed = x + count, *gram = transposed + count, *product = gram + side * side;
    f32x16 square = {}, weight_square = {};
    for (int64_t i = 0; i < count; i += kLanes) {
        const f32x16 gradient = load(filter.gradient + i), weight = load(filter.weight + i);
        const f32x16 momentum = rule.momentum * load(filter.momentum + i) + gradient;
        const f32x16 direction = gradient + rule.momentum * momentum;
        store(filter.momentum + i, momentum);
        store(x + i, direction);
        square += direction * direction;
        weight_square += weight * weight;
    }
    const float scale = 1 / (__builtin_sqrtf(sum_lanes(square)) + 1e-7f);
    // matmul vectorizes over the rows of its second operand: the shorter side has to be the contiguous one.
    if (!tall)
        for (int64_t k = 0; k < longer; k++)
            for (int64_t r = 0; r < side; r++) transposed[k * side + r] = x[r * longer + k];
    matmul(side, longer, side, x, tall ? 1 : longer, tall ? side : 1, tall ? x : transposed, scale * scale, gram);
    newton_schulz(rule, side, gram, product, product + side * side, product + 2 * side * side);
    float *update = transposed;
    if (tall)
        matmul(longer, side, side, x, side, 1, product, scale, update);
    else
        matmul(side, side, longer, product, side, 1, x, scale, update);
    const float length = __builtin_sqrtf(filter.rows) / __builtin_sqrtf(sum_lanes(weight_square)), lr = rule.lr;
    for (int64_t i = 0; i < count; i += kLanes)
        store(filter.weight + i, length * load(filter.weight + i) - lr * load(update + i));
}

int64_t workspace_floats(const MuonFilter &filter) { return 2 * filter.count() + 4 * filter.side() * filter.side(); }

}  // namespace

extern "C" {

// The workspace that muon_step needs for each thread.
int64_t muon_workspace_floats(const MuonFilter *filters, int64_t count) {
    int64_t largest = 0;
    for (int64_t i = 0; i < count; i++)
        if (workspace_floats(filters[i]) > largest) largest = workspace_floats(filters[i]);
    return largest;
}

// Updates weights and momentum. One thread computes a filter.
void muon_step(const MuonRule *rule, const MuonFilter *filters, int64_t count, float *workspace) {
    const int64_t each = muon_workspace_floats(filters, count);
    parallel_for(count, rule->num_threads,
                 [&](int64_t i, int thread) { step(*rule, filters[i], workspace + thread * each); });
}

int64_t sizeof_MuonRule() { return sizeof(MuonRule); }
int64_t sizeof_MuonFilter() { return sizeof(MuonFilter); }
}
