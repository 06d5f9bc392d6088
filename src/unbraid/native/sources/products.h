// Products of rows of activations with matrices of weights, which is where nearly all the time of a network goes.
//
// Most are computed on 16-bit integers, two products a lane and instruction (VNNI's vpdpwssd), twice as many as of
// floats. Sums are 32-bit integers over a block of values, and floats beyond. What keeps them from overflowing is
// Cauchy's inequality: integers are scaled so that the norms of what meets in a block are at most ROWS_NORM and
// WEIGHTS_NORM, whose product is below 2^31. That leaves an error of -77 dB in each product with LONG_BLOCK, and less
// with SHORT_BLOCK, which takes some percent longer; an error in convolutions counts more.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counts.h"
#include "vectors.h"

#define LONG_BLOCK 128
#define SHORT_BLOCK 32
#define ROWS_NORM 56000.0f
#define WEIGHTS_NORM 38200.0f

// A matrix of weights, (outputs, depth), packed in panels of 16 or 32 outputs; see pack_matrix.
typedef struct {
    const void* values;  // integers by pairs along the depth, or floats
    const float* gains;  // one for each output, padded to whole panels, as all that follow
    const float* offsets;
    int depth;
    int outputs;
    int panels;
    int vectors;  // in a panel's width: 1 or 2
    bool floats;
    int parts;  // of equal length, which the depth is made of
    int block;  // values of a part that are added up as integers
} Matrix;

// Rows to be multiplied. Part i of row r lies at values + r * stride + i * apart, and what it gives counts
// gains[r * gains_stride + i * gains_apart] times.
typedef struct {
    const void* values;
    ptrdiff_t stride, apart;  // bytes
    const float* gains;       // NULL: 1
    int gains_stride, gains_apart;
} Rows;

// What is made of y, the products with gains and offsets.
typedef enum {
    STORE,      // y
    ADD,        // what is there, plus y
    GELU,       // gelu(y)
    GATE,       // the first 16 outputs of a panel times the sigmoid of the last 16, plus `extra`
    ADD_GATED,  // what is there, plus that
} Finish;

typedef struct {
    float* values;
    ptrdiff_t stride;  // floats from row to row
    Finish finish;
    const float* gains;  // instead of the matrix's; NULL: the matrix's
    const float* offsets;
    const float* extra;  // NULL: none
} Result;

// (count, depth) x (depth, outputs) -> (count, outputs), or half as many outputs where they are gated.
void multiply(const Matrix* matrix, const Rows* rows, int count, const Result* result);

// Where a value of a matrix lies among published weights: output n = (n1, n0) and depth k = (k2, k1, k0), slowest
// first, with how many there are of each but the slowest, and how far apart they lie.
typedef struct {
    int outputs, depth;
    int n0, k0, k1;
    ptrdiff_t base, n1_step, n0_step, k2_step, k1_step, k0_step;
} Order;

// Bytes that pack_matrix writes for so many outputs.
size_t packed_bytes(int outputs, int depth, int vectors, bool floats);

// Pack weights (float16), with a gain and an offset for each output, for a matrix whose `vectors`, `floats`, `parts`
// and `block` are set. `gated`: pairs 16 values with 16 gates, which are the second half of the outputs. `gains` and
// `offsets` are written for whole panels.
void pack_matrix(Matrix* matrix, const uint16_t* weights, const Order* order, const uint16_t* bias,
                 const float* output_gains, bool gated, void* values, float* gains, float* offsets);

// The greatest norm of neighbouring values, and the greatest value, which a scale has to allow for.
typedef struct {
    float square, largest;
} Peak;

// Take in `count` neighbouring values, a multiple of 16, to be added up in blocks of so many.
void take_peak(Peak* peak, const float* x, int count, int block);

// What to multiply with, so that no sum overflows.
float scale_for(const Peak* peak, float norm);

// Integers of `count` values, a multiple of 16.
void quantise(const float* x, int count, float scale, int16_t* out);

// Both in one: returns the gain that undoes the scale.
float quantise_row(const float* x, int count, int block, int16_t* out);

// The same of `count` rows of x, `stride` floats apart, each with a gain of its own; `out` has them without gaps.
void quantise_rows(const float* x, ptrdiff_t stride, int count, int length, int block, int16_t* out, float* gains);

float half_to_float(uint16_t half);
