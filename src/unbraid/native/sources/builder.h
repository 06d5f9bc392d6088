// Build layers from published tensors, which have names.

#pragma once

#include "arena.h"
#include "matmul.h"
#include "names.h"
#include "native.h"

typedef struct {
    char text[160];
} Name;

// printf into a Name.
Name format_name(const char* format, ...) __attribute__((format(printf, 1, 2)));

typedef struct {
    int count;
    const char* const* names;
    const uint16_t* const* values;  // float16
    const int64_t* lengths;         // values of each tensor
    Arena arena;                    // for the packed weights
    int32_t error;                  // the first one, see native.h; 0: none
} Builder;

// The tensor named `prefix` + `name`, which must have `length` values. Otherwise: NULL, and `error` is set.
const uint16_t* find_tensor(Builder* builder, const char* prefix, const char* name, int64_t length);

// The tensor as floats, padded with zeros to whole vectors.
const float* floats_from(Builder* builder, const char* prefix, const char* name, int count);

// How a matrix is packed and computed; see Matrix.
typedef struct {
    const float* output_gains;  // NULL: 1
    const float* input_gains;   // factors of the weights for each value of the depth; NULL: 1
    bool gated;                 // see pack_matrix
    bool narrow;                // panels of one vector of outputs instead of two
    bool floats;                // compute with floats instead of integers
    int block;                  // 0: LONG_BLOCK
    int parts;                  // 0: 1
} MatrixOptions;

// A matrix from the tensors `prefix` + `weight` and `prefix` + `bias`; `bias_from`: index of its first bias.
Matrix matrix_from(Builder* builder, const char* prefix, const char* weight, const char* bias, int bias_from,
                   const WeightLayout* layout, MatrixOptions options);

// A matrix from weights (out, in) or (out, in, 1): a convolution of width 1.
Matrix pointwise(Builder* builder, const char* prefix, int out, int in, MatrixOptions options);

// A matrix from weights (out, in, width): a convolution over `width` consecutive rows.
Matrix convolution(Builder* builder, const char* prefix, int out, int in, int width, MatrixOptions options);

// A matrix from weights (in, out, 8): a transposed convolution of stride 4. It makes 4 consecutive rows from 2.
Matrix transposed(Builder* builder, const char* prefix, int in, int out, MatrixOptions options);
