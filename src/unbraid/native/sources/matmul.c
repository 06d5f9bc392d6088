#include "matmul.h"

#include <math.h>
#include <string.h>

#define TAIL_ROWS (TILE_ROWS / 3)  // rows of the tiles after the last full one
#define GROUP_ROWS 24              // rows that stay in the cache for all panels (benchmarks/NOTES.md)

_Static_assert(TILE_ROWS % 3 == 0, "multiply_tile has a pointer for every third row");

#define INLINE static inline __attribute__((always_inline))

// Compute the sums of products of `rows` rows with one panel.
INLINE void multiply_tile(const Matrix* matrix, const Rows* rows_in, int row, const char* panel, const int rows,
                          const int vectors, const bool floats, Floats sums[TILE_ROWS][2]) {
    const ptrdiff_t stride = rows_in->stride;
    const char* first_part = (const char*)rows_in->values + row * stride;
    const float* gains = rows_in->gains ? rows_in->gains + (ptrdiff_t)row * rows_in->gains_stride : NULL;
    const int all_steps = floats ? matrix->depth : matrix->depth / 2;
    const int segment = all_steps / matrix->parts;
    const int block_steps = floats ? segment : matrix->block / 2;
    bool has_sum = false;
    for (int part = 0; part < matrix->parts; part++) {
        const char* a = first_part + part * rows_in->part_stride;
        for (int done = 0; done < segment; done += block_steps) {
            const int steps = min_int(segment - done, block_steps);
            Integers acc[TILE_ROWS][2];
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) acc[r][v] = no_sum();
            // Every third row has a pointer: addresses can contain one or two times the stride.
            const char* thirds[TILE_ROWS / 3];
#pragma GCC unroll 4
            for (int i = 0; i < TILE_ROWS / 3; i++) thirds[i] = a + 3 * i * stride;
            for (int k = 0; k < steps; k++) {
                Integers b[2];
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) b[v] = load_bits(panel + v * sizeof(Integers));
                panel += vectors * sizeof(Integers);
#pragma GCC unroll 12
                for (int r = 0; r < rows; r++) {
                    const Integers x = splat_bits(thirds[r / 3] + (r % 3) * stride);
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[r][v] = floats ? add_float_products(acc[r][v], x, b[v])
                                           : add_integer_products(acc[r][v], x, b[v]);
                }
#pragma GCC unroll 4
                for (int i = 0; i < TILE_ROWS / 3; i++) thirds[i] += 4;
            }
            a += 4 * steps;
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                Floats scale =
                    splat(gains ? gains[r * rows_in->gains_stride + part * rows_in->gains_part_stride] : 1);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    const Floats sum = floats ? as_floats(acc[r][v]) : to_floats(acc[r][v]);
                    sums[r][v] = multiply_add(sum, scale, has_sum ? sums[r][v] : splat(0));
                }
            }
            has_sum = true;
        }
    }
}

INLINE void apply_epilogue(Floats sums[TILE_ROWS][2], const Matrix* matrix, const Result* result, int row, int panel,
                           const int rows, const int vectors) {
    const int width = LANES * vectors, from = panel * width;
    const float* gains = (result->gains ? result->gains : matrix->gains) + from;
    const float* offsets = (result->offsets ? result->offsets : matrix->offsets) + from;
    const bool gated = result->epilogue == GATE || result->epilogue == ADD_GATED;
    Floats gain[2], offset[2];
    for (int v = 0; v < vectors; v++) gain[v] = load(gains + LANES * v), offset[v] = load(offsets + LANES * v);
    if (vectors == 2 && gated) {
        Floats extra = result->extra ? load(result->extra + panel * LANES) : splat(0);
        for (int r = 0; r < rows; r++) {
            float* out = result->values + (row + r) * result->stride + panel * LANES;
            const Floats value = multiply_add(sums[r][0], gain[0], offset[0]);
            const Floats gate = multiply_add(sums[r][1], gain[1], offset[1]);
            const Floats before = result->epilogue == ADD_GATED ? load(out) : extra;
            store(out, multiply_add(value, sigmoid(gate), before));
        }
        return;
    }
    for (int v = 0; v < vectors; v++) {
        const int left = matrix->outputs - from - LANES * v;
        if (left <= 0) break;
        const int lanes = min_int(left, LANES);
        for (int r = 0; r < rows; r++) {
            float* out = result->values + (row + r) * result->stride + from + LANES * v;
            Floats y = multiply_add(sums[r][v], gain[v], offset[v]);
            if (result->epilogue == ADD) y = y + load_first(out, lanes);
            if (result->epilogue == GELU) y = gelu(y);
            if (result->epilogue == TANH) y = hyperbolic_tangent(y);
            store_first(out, lanes, y);
        }
    }
}

// Multiply rows `row` to `end` with one panel in tiles of `rows`. Returns the first row that no tile covers.
INLINE int multiply_rows(const Matrix* matrix, const Rows* rows_in, const Result* result, int row, int end, int panel,
                         const int rows, const int vectors, const bool floats) {
    const size_t bytes = (size_t)matrix->depth * LANES * vectors * (floats ? sizeof(float) : sizeof(int16_t));
    const char* values = (const char*)matrix->values + panel * bytes;
    for (; row + rows <= end; row += rows) {
        Floats sums[TILE_ROWS][2];
        multiply_tile(matrix, rows_in, row, values, rows, vectors, floats, sums);
        apply_epilogue(sums, matrix, result, row, panel, rows, vectors);
    }
    return row;
}

INLINE void multiply_panels(const Matrix* matrix, const Rows* rows, int count, const Result* result,
                            const int vectors, const bool floats) {
    for (int group = 0; group < count; group += GROUP_ROWS)
        for (int panel = 0; panel < matrix->panels; panel++) {
            const int end = min_int(group + GROUP_ROWS, count);
            int row = multiply_rows(matrix, rows, result, group, end, panel, TILE_ROWS, vectors, floats);
            row = multiply_rows(matrix, rows, result, row, end, panel, TAIL_ROWS, vectors, floats);
            multiply_rows(matrix, rows, result, row, end, panel, 1, vectors, floats);
        }
}

void multiply(const Matrix* matrix, const Rows* rows, int count, const Result* result) {
    if (matrix->floats)
        matrix->vectors == 1 ? multiply_panels(matrix, rows, count, result, 1, true)
                             : multiply_panels(matrix, rows, count, result, 2, true);
    else
        matrix->vectors == 1 ? multiply_panels(matrix, rows, count, result, 1, false)
                             : multiply_panels(matrix, rows, count, result, 2, false);
}
