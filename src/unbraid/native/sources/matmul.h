// Matrix products of activations with weights: nearly all the time of a network.
//
// Most are computed with 16-bit integers: two products per lane and instruction, twice as many as with floats. Within
// a block of values, sums are 32-bit integers; the sums of blocks are added as floats. Integers are scaled so that
// the norms of a block's activations and weights are at most ROWS_NORM and WEIGHTS_NORM. By the Cauchy-Schwarz
// inequality, no sum exceeds the product of the norms, which is below 2^31, so no sum overflows. The error of a
// matrix product is -77 dB with LONG_BLOCK. It is lower with SHORT_BLOCK, which takes a few percent longer.
// Convolutions use SHORT_BLOCK, because their errors have more effect.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arithmetic.h"
#include "names.h"
#include "vectors.h"

#define LONG_BLOCK 128
#define SHORT_BLOCK 32
#define ROWS_NORM 56000.0f
#define WEIGHTS_NORM 38200.0f
#define MAX_DEPTH (9 * 384)  // of a matrix

_Static_assert((int64_t)ROWS_NORM*(int64_t)WEIGHTS_NORM < INT32_MAX, "sums of products must not overflow");

// Weights (outputs, depth), packed by pack_matrix in panels of one or two vectors.
typedef struct {
    const void* values;            // pairs of integers along the depth, or floats
    const float *gains, *offsets;  // one for each output, padded to whole panels
    int depth;
    int outputs;
    int panels;
    int vectors;  // vectors of outputs in a panel: 1 or 2
    bool floats;
    int parts;  // number of equal parts of the depth
    int block;  // length of a block: products of its values are added as integers
} Matrix;

// Activations. Part i of row r starts at values + r * stride + i * part_stride. Its products are multiplied by
// gains[r * gains_stride + i * gains_part_stride].
typedef struct {
    const void* values;
    ptrdiff_t stride, part_stride;  // bytes
    const float* gains;             // NULL: 1
    int gains_stride, gains_part_stride;
} Rows;

// Last step of a product. y: the product times gains, plus offsets.
typedef enum {
    STORE,      // y
    ADD,        // result + y
    GELU,       // gelu(y)
    GATE,       // the first half of a panel's outputs * sigmoid(the other half) + extra
    ADD_GATED,  // result + the gated outputs
    TANH,       // tanh(y)
} Epilogue;

typedef struct {
    float* values;
    ptrdiff_t stride;  // floats from row to row
    Epilogue epilogue;
    const float *gains, *offsets;  // NULL: the matrix's own
    const float* extra;            // for GATE; NULL: 0
} Result;

// (count, depth) x (depth, outputs) -> (count, outputs), or half as many outputs if gated.
void multiply(const Matrix* matrix, const Rows* rows, int count, const Result* result);

// Memory layout of published weights. Output n = (n1, n0) and depth k = (k2, k1, k0) are split into indices, slowest
// first. n0, k0 and k1 are their sizes, the steps their distances.
typedef struct {
    int64_t weights, biases;  // values of the tensors, which may have more than the matrix
    int outputs, depth;
    int n0, k0, k1;
    ptrdiff_t base, n1_step, n0_step, k2_step, k1_step, k0_step;
} WeightLayout;

// Bytes that pack_matrix writes to `values`.
size_t packed_bytes(int outputs, int depth, int vectors, bool floats);

// Pack float16 weights, with a gain and an offset for each output. The matrix has `vectors`, `floats`, `parts` and
// `block` set. `gated`: the second half of the outputs are gates; each panel has a vector of outputs and a vector
// of their gates. `input_gains`: factors of the weights for each value of the depth; NULL: 1.
// `gains` and `offsets` are written for whole panels.
void pack_matrix(Matrix* matrix, const uint16_t* weights, const WeightLayout* layout, const uint16_t* bias,
                 const float* input_gains, const float* output_gains, bool gated, void* values, float* gains,
                 float* offsets);

// The largest squared norm of a block, and the largest magnitude of a value. Both limit the scale.
typedef struct {
    float square, largest;
} Peak;

// Update the peak with `count` values, a multiple of 16, whose products are added in blocks of length `block`.
void update_peak(Peak* peak, const float* x, int count, int block);

// The largest scale with which no sum overflows.
float scale_for(const Peak* peak, float norm);

// Scale and round `count` values, a multiple of 16.
void quantise(const float* x, int count, float scale, int16_t* out);

// Quantise a row with its largest scale. Returns the gain that undoes the scale.
float quantise_row(const float* x, int count, int block, int16_t* out);

// Quantise `count` rows of x, `stride` floats apart, each with its own gain. `out` has no gaps between rows.
void quantise_rows(const float* x, ptrdiff_t stride, int count, int length, int block, int16_t* out, float* gains);
