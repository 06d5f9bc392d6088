// Tiles of matrix products with float32, for layers whose channels are last in memory.
//
// A tile has PRODUCT_ROWS rows and up to PANEL_VECTORS vectors of channels, so that its sums stay in registers: 24
// sums, 3 vectors of factors and 1 row's value are 28 of 32 registers, or 12 + 3 + 1 of 16.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arithmetic.h"
#include "names.h"
#include "vectors.h"

#define PANEL_VECTORS 3
#define PRODUCT_ROWS (TILE_ROWS / 3 * 2)

#define INLINE static inline __attribute__((always_inline))

// Products that are added one after the other. Sums of so few have small rounding errors; they are then added to the
// sums of the tile. It takes no time, and lowers the error of an MDX-Net by 3 dB (benchmarks/NOTES.md).
#define SUM_LENGTH 16

typedef Floats Sums[PRODUCT_ROWS][PANEL_VECTORS];

// Vectors in a panel of channels: the most that divide the channels, a multiple of LANES, into equal panels.
static inline int panel_vectors(int channels) {
    const int vectors = channels / LANES;
    return vectors % 3 == 0 ? 3 : vectors % 2 == 0 ? 2 : 1;
}

INLINE void clear_sums(Sums sums, const int rows, const int vectors) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) sums[r][v] = splat(0);
}

// Add `depth` products to each sum. Value k of row r is a[r * row_stride + k * step]; b has a panel of `vectors`
// vectors every `b_stride` floats.
INLINE void add_products(const float* a, ptrdiff_t row_stride, const int step, const float* b, ptrdiff_t b_stride,
                         int depth, const int rows, const int vectors, Sums sums) {
    const float* row[PRODUCT_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) row[r] = a + r * row_stride;
    for (ptrdiff_t k = 0; k < depth;) {
        Integers part[PRODUCT_ROWS][PANEL_VECTORS];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) part[r][v] = no_sum();
        for (const ptrdiff_t end = k + min_int(SUM_LENGTH, depth - (int)k); k < end; k++, b += b_stride) {
            Integers factor[PANEL_VECTORS];
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) factor[v] = load_bits(b + v * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const Integers x = splat_bits(row[r] + k * step);
#pragma GCC unroll 3
                for (int v = 0; v < vectors; v++) part[r][v] = add_float_products(part[r][v], x, factor[v]);
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) sums[r][v] = sums[r][v] + as_floats(part[r][v]);
    }
}
