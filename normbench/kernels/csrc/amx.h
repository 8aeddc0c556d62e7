// Products of tiles by AMX: C += A B, with A [rows][2 pairs] and B [2 pairs][16] in bfloat16 and C [rows][16] in float32.
//
// B is in VNNI order, [pairs][16][2]: a row holds a pair of neighbouring k for each of the 16 columns. Of each product
// (TDPBF16PS) even and odd k have a sum of their own, which begins at 0; both together are added to C. Subnormal numbers
// count as 0, results are rounded to nearest, and the processor's floating point mode does not matter.
//
// NORMBENCH_EMULATE_AMX makes the same functions from plain C++, for the tests of machines without AMX.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "dispatch.h"

#if defined(__AMX_BF16__) || defined(NORMBENCH_EMULATE_AMX)
#define HAS_AMX

namespace {

constexpr int kTileRows = 16, kTileBytes = 64;  // the largest tile: rows, and bytes in a row

// Which tile registers hold what; A and B are loaded anew in each step.
constexpr int kTilesOfC = 4, kTileOfA = 4, kTileOfB = 6, kTiles = 8;

struct alignas(kTileBytes) TileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];

    TileConfig(int rows_of_a, int pairs) {
        memset(this, 0, sizeof *this);
        palette = 1;
        for (int tile = 0; tile < kTiles; tile++) {
            row_bytes[tile] = tile >= kTileOfA && tile < kTileOfB ? 4 * pairs : kTileBytes;
            rows[tile] = tile < kTileOfB ? rows_of_a : pairs;
        }
    }
};
static_assert(sizeof(TileConfig) == 64, "the processor reads 64 bytes");

#ifdef NORMBENCH_EMULATE_AMX

struct EmulatedTile {
    alignas(kTileBytes) char bytes[kTileRows][kTileBytes];
};

thread_local TileConfig emulated_config(0, 0);
thread_local EmulatedTile emulated_tiles[kTiles];

inline void configure_tiles(const TileConfig &config) { emulated_config = config; }
inline void release_tiles() { emulated_config = TileConfig(0, 0); }

template <int Tile>
inline void zero_tile() {
    memset(emulated_tiles[Tile].bytes, 0, sizeof emulated_tiles[Tile].bytes);
}
// What is outside of the configured rows and columns becomes 0.
template <int Tile>
inline void load_tile(const void *from, int64_t stride) {
    if (!emulated_config.rows[Tile]) unsupported("amx", "tile without a configuration", Tile);
    zero_tile<Tile>();
    for (int row = 0; row < emulated_config.rows[Tile]; row++)
        memcpy(emulated_tiles[Tile].bytes[row], (const char *)from + row * stride, emulated_config.row_bytes[Tile]);
}
template <int Tile>
inline void store_tile(void *to, int64_t stride) {
    if (!emulated_config.rows[Tile]) unsupported("amx", "tile without a configuration", Tile);
    for (int row = 0; row < emulated_config.rows[Tile]; row++)
        memcpy((char *)to + row * stride, emulated_tiles[Tile].bytes[row], emulated_config.row_bytes[Tile]);
}

// Subnormal numbers become zeros, of their sign.
inline float flushed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000) == 0) bits &= 0x80000000;
    memcpy(&value, &bits, sizeof value);
    return value;
}
inline float from_bf16(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return flushed(value);
}

template <int C, int A, int B>
inline void multiply_tiles() {
    const TileConfig &config = emulated_config;
    const int pairs = config.row_bytes[A] / 4, columns = config.row_bytes[B] / 4;
    if (config.rows[B] != pairs || config.rows[C] != config.rows[A] || config.row_bytes[C] != config.row_bytes[B])
        unsupported("amx", "sizes of the tiles behind tile", C);
    for (int row = 0; row < config.rows[C]; row++) {
        uint16_t a[kTileBytes / 2], b[kTileRows][kTileBytes / 2];
        float sums[kTileBytes / 4], even[kTileBytes / 4] = {}, odd[kTileBytes / 4] = {};
        memcpy(a, emulated_tiles[A].bytes[row], sizeof a);
        memcpy(b, emulated_tiles[B].bytes, sizeof b);
        memcpy(sums, emulated_tiles[C].bytes[row], sizeof sums);
        for (int k = 0; k < pairs; k++)
            for (int n = 0; n < columns; n++) {
                even[n] = flushed(__builtin_fmaf(from_bf16(a[2 * k]), from_bf16(b[k][2 * n]), even[n]));
                odd[n] = flushed(__builtin_fmaf(from_bf16(a[2 * k + 1]), from_bf16(b[k][2 * n + 1]), odd[n]));
            }
        for (int n = 0; n < columns; n++) sums[n] = flushed(flushed(sums[n]) + flushed(even[n] + odd[n]));
        memcpy(emulated_tiles[C].bytes[row], sums, sizeof sums);
    }
}

inline bool request_tiles() { return true; }

#else

// In assembly: GCC 12's intrinsics do not say that a load reads memory, so that a store before it could be moved behind
// it, and their tile numbers cannot be template arguments.
inline void configure_tiles(const TileConfig &config) { asm volatile("ldtilecfg %0" ::"m"(config) : "memory"); }
inline void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

template <int Tile>
inline void zero_tile() {
    asm volatile("tilezero %%tmm%c0" ::"i"(Tile));
}
template <int Tile>
inline void load_tile(const void *from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(Tile) : "memory");
}
template <int Tile>
inline void store_tile(void *to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(Tile) : "memory");
}
template <int C, int A, int B>
inline void multiply_tiles() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

// Whether Linux lets this process use tiles: their state is large, so a process has to ask once.
inline bool request_tiles() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#endif

// Tiles of these sizes, for as long as the object lives; of this thread alone. Released, they cost a switch of threads
// nothing.
class TileScope {
  public:
    TileScope(int rows_of_a, int pairs) { configure_tiles(TileConfig(rows_of_a, pairs)); }
    TileScope(const TileScope &) = delete;
    TileScope &operator=(const TileScope &) = delete;
    ~TileScope() { release_tiles(); }
};

// Calls `call` with Constant<0> to Constant<N - 1>: the number of a tile register is part of the instruction.
template <class Call, int... I>
inline void call_with_each(const Call &call, std::integer_sequence<int, I...>) {
    (call(Constant<I>{}), ...);
}
template <int N, class Call>
inline void unrolled(const Call &call) {
    call_with_each(call, std::make_integer_sequence<int, N>{});
}

}  // namespace
#endif
