#include "products.h"

#include <math.h>
#include <string.h>

#define TILE 12    // rows whose sums stay in registers, with panels of two vectors
#define GROUP 336  // rows that meet one panel after another, while they are in the cache

#define INLINE static inline __attribute__((always_inline))

// Instructions as they stand, as compilers that see through them move sums from registers to memory and back.
INLINE __m512i add_integer_products(__m512i sum, __m512i a, __m512i b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

INLINE __m512i add_float_products(__m512i sum, __m512i a, __m512i b) {
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

// Sums of `rows` rows with one panel, left in `sums`.
INLINE void multiply_tile(const Matrix* matrix, const Rows* of, int row, const char* panel, const int rows,
                          const int vectors, const bool floats, Floats sums[TILE][2]) {
    const ptrdiff_t stride = of->stride;
    const char* first_part = (const char*)of->values + row * stride;
    const float* gains = of->gains ? of->gains + (ptrdiff_t)row * of->gains_stride : NULL;
    const int steps_in_all = floats ? matrix->depth : matrix->depth / 2;
    const int segment = steps_in_all / matrix->parts;
    const int longest = floats ? segment : matrix->block / 2;
    bool begun = false;
    for (int part = 0; part < matrix->parts; part++) {
        const char* a = first_part + part * of->apart;
        for (int done = 0; done < segment; done += longest) {
            const int steps = least(segment - done, longest);
            __m512i acc[TILE][2];
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) acc[r][v] = _mm512_setzero_si512();
            const char* third[4] = {a, a + 3 * stride, a + 6 * stride, a + 9 * stride};
            for (int k = 0; k < steps; k++) {
                __m512i b[2];
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) b[v] = _mm512_load_si512(panel + 64 * v);
                panel += 64 * vectors;
#pragma GCC unroll 12
                for (int r = 0; r < rows; r++) {
                    int value;
                    memcpy(&value, third[r / 3] + (r % 3) * stride, sizeof value);
                    __m512i x = _mm512_set1_epi32(value);
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[r][v] = floats ? add_float_products(acc[r][v], x, b[v])
                                           : add_integer_products(acc[r][v], x, b[v]);
                }
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) third[i] += 4;
            }
            a += 4 * steps;
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                Floats by = all(gains ? gains[r * of->gains_stride + part * of->gains_apart] : 1);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    Floats sum = floats ? _mm512_castsi512_ps(acc[r][v]) : _mm512_cvtepi32_ps(acc[r][v]);
                    sums[r][v] = begun ? _mm512_fmadd_ps(sum, by, sums[r][v]) : _mm512_mul_ps(sum, by);
                }
            }
            begun = true;
        }
    }
}

INLINE void finish_tile(Floats sums[TILE][2], const Matrix* matrix, const Result* result, int row, int panel,
                        const int rows, const int vectors) {
    const int width = LANES * vectors, from = panel * width;
    const float* gains = (result->gains ? result->gains : matrix->gains) + from;
    const float* offsets = (result->offsets ? result->offsets : matrix->offsets) + from;
    const bool gated = result->finish == GATE || result->finish == ADD_GATED;
    Floats gain[2], offset[2];
    for (int v = 0; v < vectors; v++) gain[v] = load(gains + LANES * v), offset[v] = load(offsets + LANES * v);
    if (vectors == 2 && gated) {
        Floats extra = result->extra ? load(result->extra + panel * LANES) : _mm512_setzero_ps();
        for (int r = 0; r < rows; r++) {
            float* out = result->values + (row + r) * result->stride + panel * LANES;
            Floats value = _mm512_fmadd_ps(sums[r][0], gain[0], offset[0]);
            Floats gate = _mm512_fmadd_ps(sums[r][1], gain[1], offset[1]);
            Floats before = result->finish == ADD_GATED ? load(out) : extra;
            store(out, _mm512_fmadd_ps(value, sigmoid(gate), before));
        }
        return;
    }
    for (int v = 0; v < vectors; v++) {
        const int left = matrix->outputs - from - LANES * v;
        if (left <= 0) break;
        const __mmask16 mask = first(least(left, LANES));
        for (int r = 0; r < rows; r++) {
            float* out = result->values + (row + r) * result->stride + from + LANES * v;
            Floats y = _mm512_fmadd_ps(sums[r][v], gain[v], offset[v]);
            if (result->finish == ADD) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, out));
            if (result->finish == GELU) y = gelu(y);
            _mm512_mask_storeu_ps(out, mask, y);
        }
    }
}

// Rows `row` to `end` with one panel, as far as they fill tiles of `rows`; returns where that ends.
INLINE int multiply_rows(const Matrix* matrix, const Rows* of, const Result* result, int row, int end, int panel,
                         const int rows, const int vectors, const bool floats) {
    const size_t bytes = (size_t)matrix->depth * LANES * vectors * (floats ? sizeof(float) : sizeof(int16_t));
    const char* values = (const char*)matrix->values + panel * bytes;
    for (; row + rows <= end; row += rows) {
        Floats sums[TILE][2];
        multiply_tile(matrix, of, row, values, rows, vectors, floats, sums);
        finish_tile(sums, matrix, result, row, panel, rows, vectors);
    }
    return row;
}

INLINE void multiply_kind(const Matrix* matrix, const Rows* rows, int count, const Result* result, const int vectors,
                          const bool floats) {
    for (int group = 0; group < count; group += GROUP)
        for (int panel = 0; panel < matrix->panels; panel++) {
            const int end = least(group + GROUP, count);
            int row = multiply_rows(matrix, rows, result, group, end, panel, TILE, vectors, floats);
            row = multiply_rows(matrix, rows, result, row, end, panel, 4, vectors, floats);
            multiply_rows(matrix, rows, result, row, end, panel, 1, vectors, floats);
        }
}

void multiply(const Matrix* matrix, const Rows* rows, int count, const Result* result) {
    if (matrix->floats)
        matrix->vectors == 1 ? multiply_kind(matrix, rows, count, result, 1, true)
                             : multiply_kind(matrix, rows, count, result, 2, true);
    else
        matrix->vectors == 1 ? multiply_kind(matrix, rows, count, result, 1, false)
                             : multiply_kind(matrix, rows, count, result, 2, false);
}
