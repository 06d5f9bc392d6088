// Layers made from published tensors, found by their names.

#pragma once

#include "products.h"
#include "room.h"

typedef struct {
    char text[160];
} Name;

// As printf's.
Name name_of(const char* format, ...) __attribute__((format(printf, 1, 2)));

typedef struct {
    int count;
    const char* const* names;
    const uint16_t* const* values;  // float16
    Room room;                      // where packed weights go
    bool missing;                   // a tensor that isn't there was asked for
} Builder;

// A tensor, called `prefix` and then `name`. NULL, and noted, where there is none.
const uint16_t* find(Builder* builder, const char* prefix, const char* name);

// `count` values as floats, followed by zeros up to a multiple of 16.
const float* floats_of(Builder* builder, const char* prefix, const char* name, int count);

// How the outputs of a matrix are computed.
typedef struct {
    const float* output_gains;   // NULL: 1
    bool gated, narrow, floats;  // narrow: in panels of 16
    int block;                   // 0: LONG_BLOCK
    int parts;                   // 0: 1
} Kind;

// The tensors `prefix`weight and `prefix`bias as a matrix in that order; `bias_from`: the bias's first place.
Matrix matrix_of(Builder* builder, const char* prefix, const char* weight, const char* bias, int bias_from,
                 const Order* order, Kind kind);

// (out, in) or (out, in, 1): each row by itself.
Matrix pointwise(Builder* builder, const char* prefix, int out, int in, Kind kind);

// (out, in, width): `width` rows, one after the other.
Matrix convolution(Builder* builder, const char* prefix, int out, int in, int width, Kind kind);

// (in, out, 8) with a stride of 4: two rows give four, which stand together.
Matrix transposed(Builder* builder, const char* prefix, int in, int out, Kind kind);
