// A program of its own, not a part of the library: how fast this machine multiplies by the instructions of one level.
//
// It is compiled with the level's flags, for x86 only, and times what the level's convolutions are made of: fused
// multiply-adds of float32 vectors, dot products of bfloat16 pairs, or products of AMX tiles. It prints the
// multiply-adds of one core in a nanosecond. Exit status 1: the processor lacks an instruction, the system does not
// allow it, or a product is wrong.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#ifdef __AMX_BF16__
#include <sys/syscall.h>
#endif

namespace {

constexpr int kBursts = 100; // the best one counts: the others may have shared their core
constexpr int kSteps = 30000;
constexpr int kSums = 12;  // independent of each other, to hide the latency of an instruction

#define UNROLLED _Pragma("GCC unroll 16")

bool processor_has_level() {
    __builtin_cpu_init();
#ifdef __AVX2__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2")) return false;
#endif
#ifdef __AVX512F__
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return false;
    if (!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return false;
#endif
#ifdef __AVX512BF16__
    if (!__builtin_cpu_supports("avx512bf16")) return false;
#endif
#ifdef __AMX_BF16__
    if (!__builtin_cpu_supports("amx-tile") || !__builtin_cpu_supports("amx-bf16")) return false;
#endif
    return true;
}

#if defined __AMX_BF16__

constexpr int kRows = 16, kPairs = 16;  // a tile of bfloat16: 16 rows of 16 pairs; of float32: 16 rows of 16 numbers
constexpr int kMultiplyAdds = 4 * kRows * kPairs * 2 * kPairs;  // of a step: a product of two by two tiles

alignas(64) uint16_t a[2][kRows][2 * kPairs], b[2][kPairs][2 * kPairs];
alignas(64) float c[2][2][kRows][kPairs];

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

uint16_t bfloat16(int whole) {  // exact for small whole numbers
    const float value = (float)whole;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}
int a_value(int tile, int row, int k) { return (5 * tile + 3 * row + k) % 7 - 3; }
int b_value(int tile, int k, int column) { return (2 * tile + k + 5 * column) % 9 - 4; }

bool allowed() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

void configure() {
    TileConfig config;
    for (int tile = 0; tile < 8; tile++) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = kRows;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
    for (int tile = 0; tile < 2; tile++)
        for (int row = 0; row < kRows; row++)
            for (int i = 0; i < 2 * kPairs; i++) {
                a[tile][row][i] = bfloat16(a_value(tile, row, i));
                b[tile][row][i] = bfloat16(b_value(tile, 2 * row + i % 2, i / 2));
            }
}

// Sums in tiles 0 to 3 of `steps` products: A in tiles 4 and 5, B in 6 and 7.
void multiply(int steps) {
    const int64_t stride = 64;
    asm volatile("tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3" ::: "memory");
    for (int step = 0; step < steps; step++)
        asm volatile(
            "tileloadd (%0, %4), %%tmm4\n tileloadd (%1, %4), %%tmm5\n"
            "tileloadd (%2, %4), %%tmm6\n tileloadd (%3, %4), %%tmm7\n"
            "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
            "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n tdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::"r"(a[0]),
            "r"(a[1]), "r"(b[0]), "r"(b[1]), "r"(stride)
            : "memory");
    asm volatile(
        "tilestored %%tmm0, (%0, %4)\n tilestored %%tmm1, (%1, %4)\n"
        "tilestored %%tmm2, (%2, %4)\n tilestored %%tmm3, (%3, %4)" ::"r"(c[0][0]),
        "r"(c[0][1]), "r"(c[1][0]), "r"(c[1][1]), "r"(stride)
        : "memory");
}

bool prepare() {
    if (!allowed()) return false;
    configure();
    multiply(1);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            for (int row = 0; row < kRows; row++)
                for (int column = 0; column < kPairs; column++) {
                    int sum = 0;
                    for (int k = 0; k < 2 * kPairs; k++) sum += a_value(i, row, k) * b_value(j, k, column);
                    if (c[i][j][row][column] != (float)sum) return false;
                }
    return true;
}

void burst() { multiply(kSteps / 8); }
constexpr int kBurstSteps = kSteps / 8;

#elif defined __AVX512BF16__

constexpr int kMultiplyAdds = kSums * 32;  // of a step
constexpr int kBurstSteps = kSteps;

bool prepare() { return true; }

void burst() {
    typedef float Vector __attribute__((vector_size(64)));
    Vector sums[kSums] = {}, pairs = {};
    for (int step = 0; step < kSteps; step++)
        UNROLLED for (int i = 0; i < kSums; i++) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(sums[i]) : "v"(pairs));
}

#else

#if defined __AVX512F__
constexpr int kBytes = 64;
#elif defined __AVX2__
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kMultiplyAdds = kSums * kBytes / 4;  // of a step
constexpr int kBurstSteps = kSteps;

bool prepare() { return true; }

void burst() {
    typedef float Vector __attribute__((vector_size(kBytes)));
    Vector sums[kSums] = {}, factor = {};
    for (int step = 0; step < kSteps; step++)
        UNROLLED for (int i = 0; i < kSums; i++) {
            sums[i] += factor * factor;
            asm volatile("" : "+v"(sums[i]), "+v"(factor));
        }
}

#endif

}  // namespace

int main() {
    signal(SIGILL, [](int) { _exit(1); });  // an instruction that the system has not switched on
    if (!processor_has_level() || !prepare()) return 1;
    double best = 0;
    for (int i = 0; i < kBursts; i++) {
        using Clock = std::chrono::steady_clock;
        const auto before = Clock::now();
        burst();
        const double nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - before).count();
        const double rate = (double)kMultiplyAdds * kBurstSteps / nanoseconds;
        if (rate > best) best = rate;
    }
    printf("%.3f\n", best);
}
