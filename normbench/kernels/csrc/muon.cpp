// A step of Muon for several filter banks at once: see train/muon.py, which has the formulas and their source.
#include "chain.h"
#include "vectors.h"

// A matrix of neighbouring numbers, with its gradient and its momentum; both sides are multiples of 16.
struct Bank {
    int64_t rows, columns;
    float *weight;
    const float *gradient;
    float *momentum;

    int64_t count() const { return rows * columns; }
    int64_t side() const { return rows < columns ? rows : columns; }
};

struct Rule {
    int64_t iterations;
    float a, b, c;
    float lr, momentum;
    int32_t threads;
};

namespace {

constexpr int kRows = 8;  // of a tile of a product

inline float sum_of(Floats values) {
    float sum = 0;
    for (int lane = 0; lane < kLanes; lane++) sum += values[lane];
    return sum;
}

template <int V>
void multiply_tiles(int64_t rows, int64_t inner, int64_t columns, const float *a, int64_t a_row, int64_t a_inner,
                    const float *b, float scale, float *to) {
    for (int64_t r = 0; r < rows; r += kRows)
        for (int64_t c = 0; c < columns; c += V * kLanes) {
            Floats sum[kRows][V] = {};
            for (int64_t k = 0; k < inner; k++) {
                Floats right[V];
                for (int v = 0; v < V; v++) right[v] = load(b + k * columns + c + v * kLanes);
                for (int i = 0; i < kRows; i++)
                    for (int v = 0; v < V; v++) sum[i][v] += a[(r + i) * a_row + k * a_inner] * right[v];
            }
            for (int i = 0; i < kRows; i++)
                for (int v = 0; v < V; v++) store(to + (r + i) * columns + c + v * kLanes, scale * sum[i][v]);
        }
}

// to [rows][columns] = scale A B with A[r][k] = a[r a_row + k a_inner] and B [inner][columns].
void multiply(int64_t rows, int64_t inner, int64_t columns, const float *a, int64_t a_row, int64_t a_inner,
              const float *b, float scale, float *to) {
    if (columns % (2 * kLanes) == 0)
        multiply_tiles<2>(rows, inner, columns, a, a_row, a_inner, b, scale, to);
    else
        multiply_tiles<1>(rows, inner, columns, a, a_row, a_inner, b, scale, to);
}

// The product of all P = a I + b G + c G G with G <- P G P in between, from G = `gram`, which is overwritten; as are
// `factor` and `other`, squares of the same size. All are symmetric.
void iterate(const Rule &rule, int64_t side, float *gram, float *product, float *factor, float *other) {
    const auto times = [side](const float *left, const float *right, float *to) {
        multiply(side, side, side, left, side, 1, right, 1, to);
    };
    for (int64_t iteration = 0; iteration < rule.iterations; iteration++) {
        float *made = iteration == 0 ? product : factor;
        times(gram, gram, made);
        for (int64_t i = 0; i < side * side; i += kLanes)
            store(made + i, rule.c * load(made + i) + rule.b * load(gram + i));
        for (int64_t i = 0; i < side; i++) made[i * side + i] += rule.a;
        if (iteration + 1 < rule.iterations) {
            times(made, gram, other);
            times(other, made, gram);
        }
        if (iteration > 0) {
            times(factor, product, other);
            memcpy(product, other, side * side * sizeof *other);
        }
    }
}

// scratch: twice the bank's count and four squares of its shorter side.
void step(const Rule &rule, const Bank &bank, float *scratch) {
    const int64_t count = bank.count(), side = bank.side(), longer = count / side;
    const bool tall = bank.rows > bank.columns;
    float *x = scratch, *turned = x + count, *gram = turned + count, *product = gram + side * side;
    Floats square = {}, weight_square = {};
    for (int64_t i = 0; i < count; i += kLanes) {
        const Floats gradient = load(bank.gradient + i), weight = load(bank.weight + i);
        const Floats momentum = rule.momentum * load(bank.momentum + i) + gradient;
        const Floats direction = gradient + rule.momentum * momentum;
        store(bank.momentum + i, momentum);
        store(x + i, direction);
        square += direction * direction;
        weight_square += weight * weight;
    }
    const float scale = 1 / (__builtin_sqrtf(sum_of(square)) + 1e-7f);
    // The products run over rows of 16 numbers: a tall matrix has them as it lies, a wide one turned.
    if (!tall)
        for (int64_t r = 0; r < side; r++)
            for (int64_t k = 0; k < longer; k++) turned[k * side + r] = x[r * longer + k];
    multiply(side, longer, side, x, tall ? 1 : longer, tall ? side : 1, tall ? x : turned, scale * scale, gram);
    iterate(rule, side, gram, product, product + side * side, product + 2 * side * side);
    float *update = turned;
    if (tall)
        multiply(longer, side, side, x, side, 1, product, scale, update);
    else
        multiply(side, side, longer, product, side, 1, x, scale, update);
    const float length = __builtin_sqrtf(bank.rows) / __builtin_sqrtf(sum_of(weight_square)), lr = rule.lr;
    for (int64_t i = 0; i < count; i += kLanes)
        store(bank.weight + i, length * load(bank.weight + i) - lr * load(update + i));
}

int64_t scratch_of(const Bank &bank) { return 2 * bank.count() + 4 * bank.side() * bank.side(); }

int64_t most_scratch(const Bank *banks, int64_t count) {
    int64_t most = 0;
    for (int64_t i = 0; i < count; i++) most = scratch_of(banks[i]) > most ? scratch_of(banks[i]) : most;
    return most;
}

}  // namespace

// What Python calls. scratch: muon_scratch() numbers for each thread.
extern "C" {

int64_t muon_scratch(const Bank *banks, int64_t count) { return most_scratch(banks, count); }

// Moves weights and momentum.
void muon_step(const Rule *rule, const Bank *banks, int64_t count, float *scratch) {
    const int64_t most = most_scratch(banks, count);
#pragma omp parallel for schedule(dynamic, 1) num_threads(rule->threads)
    for (int64_t i = 0; i < count; i++) step(*rule, banks[i], scratch + omp_get_thread_num() * most);
}
}
