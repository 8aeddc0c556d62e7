// Compares the convolutions by AMX with those by float32 vectors, at many shapes. The tiles are emulated: this is about
// what the kernels do with them, not about the processor. Prints what differs.
#include "conv.cpp"

// Even and odd numbers have their own sums, which are added to C together; subnormal numbers and results are 0, but not
// the products on the way.
bool multiplies_as_the_manual_says() {
    const TileScope tiles(2, 2);  // A: 2 rows of 2 pairs
    const float a[2][4] = {{1, 2, 3, 4}, {0x1p-126f, 0x1p-130f, 0x1p-100f, 0}};
    float b[2][2 * kLanes], c[2][kLanes], expected[2][kLanes];
    for (int n = 0; n < kLanes; n++) {
        b[0][2 * n] = n, b[0][2 * n + 1] = -1, b[1][2 * n] = 0x1p-40f, b[1][2 * n + 1] = 1;
        c[0][n] = 0x1p24f, c[1][n] = 0;
        expected[0][n] = 0x1p24f + ((1 * n + 3 * 0x1p-40f) + (2 * -1 + 4 * 1));
        expected[1][n] = n ? n * 0x1p-126f + 0x1p-140f : 0;
    }
    BFloat16 packed_a[2][4], packed_b[2][2 * kLanes];
    for (int row = 0; row < 2; row++) {
        convert<false>(a[row], 4, packed_a[row]);
        convert<false>(b[row], 2 * kLanes, packed_b[row]);
    }
    load_tile<0>(c, sizeof c[0]);
    load_tile<kTileOfA>(packed_a, sizeof packed_a[0]);
    load_tile<kTileOfB>(packed_b, sizeof packed_b[0]);
    multiply_tiles<0, kTileOfA, kTileOfB>();
    store_tile<0>(c, sizeof c[0]);
    if (memcmp(c, expected, sizeof c) == 0) return true;
    puts("a product of tiles is wrong");
    return false;
}

int main() {
    struct Case {
        int64_t height, width, in_channels, out_channels;
    };
    const Case cases[] = {{1, 1, 16, 16},  {2, 3, 64, 80},  {8, 8, 32, 32},   {8, 8, 3, 16}, {5, 17, 16, 48},
                          {5, 17, 48, 32}, {16, 16, 4, 16}, {16, 16, 16, 32}, {90, 33, 48, 16}};  // the last: strips
    bool all = multiplies_as_the_manual_says();
    for (const Case &of : cases)
        for (int64_t size : {1, 3})
            for (int64_t stride : {1, 2}) {
                const int64_t in = of.in_channels, area = size * size;
                const ConvDesc desc = {1, of.height, of.width, in, of.out_channels, size, stride,
                                       {in * area, area, size, 1}, 1, 1, in % kLanes == 0};
                if (agree<Direct<Amx>, BFloat16, Direct<Fma>, float>(desc)) continue;
                printf("differs: %dx%d pixels, %d to %d channels, size %d, stride %d\n", (int)of.height, (int)of.width,
                       (int)in, (int)of.out_channels, (int)size, (int)stride);
                all = false;
            }
    return all ? 0 : 1;
}
