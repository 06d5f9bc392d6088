// A check of the compiled code, for build.py: products of small matrices agree with plain C.

#include <math.h>

#include "matmul.h"
#include "native.h"

#define OUTPUTS 40
#define DEPTH 128
#define COUNT (2 * TILE_ROWS + 5)  // whole tiles, and rows after the last one

static float activation_at(int row, int k) { return (float)((row * 31 + k * 17) % 29 - 14); }

// Whether all products are exact to `tolerance`, relative to the largest one.
static bool check_products(bool floats, float tolerance) {
    static const uint16_t halves[] = {0x3c00, 0xb800, 0x3400, 0x0000, 0xbe00};  // 1, -0.5, 0.25, 0, -1.5
    static uint16_t weights[OUTPUTS * DEPTH];
    static float x[COUNT * DEPTH], out[COUNT * OUTPUTS];
    static _Alignas(64) float packed[(OUTPUTS + 2 * LANES) * DEPTH];
    float gains[OUTPUTS + 2 * LANES], offsets[OUTPUTS + 2 * LANES], row_gains[COUNT];
    static int16_t integers[COUNT * DEPTH];
    for (int i = 0; i < OUTPUTS * DEPTH; i++) weights[i] = halves[(i / DEPTH + i * 7) % 5];
    for (int i = 0; i < COUNT * DEPTH; i++) x[i] = activation_at(i / DEPTH, i % DEPTH);
    const WeightLayout layout = {
        .outputs = OUTPUTS, .depth = DEPTH, .n0 = OUTPUTS, .n0_step = DEPTH, .k0 = DEPTH, .k0_step = 1, .k1 = 1};
    Matrix matrix = {.vectors = 2, .floats = floats, .parts = 1, .block = SHORT_BLOCK};
    pack_matrix(&matrix, weights, &layout, NULL, NULL, NULL, false, packed, gains, offsets);
    quantise_rows(x, DEPTH, COUNT, DEPTH, SHORT_BLOCK, integers, row_gains);
    const Rows rows = {
        .values = floats ? (const void*)x : integers,
        .stride = DEPTH * (floats ? sizeof *x : sizeof *integers),
        .gains = floats ? NULL : row_gains,
        .gains_stride = 1,
    };
    multiply(&matrix, &rows, COUNT, &(Result){.values = out, .stride = OUTPUTS, .epilogue = STORE});
    float largest = 0, error = 0;
    for (int row = 0; row < COUNT; row++)
        for (int n = 0; n < OUTPUTS; n++) {
            float sum = 0;
            for (int k = 0; k < DEPTH; k++) sum += x[row * DEPTH + k] * half_to_float(weights[n * DEPTH + k]);
            largest = fmaxf(largest, fabsf(sum)), error = fmaxf(error, fabsf(sum - out[row * OUTPUTS + n]));
        }
    return error < tolerance * largest;
}

int32_t native_check(void) { return check_products(true, 1e-5f) && check_products(false, 1e-3f); }
