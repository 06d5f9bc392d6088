#include "builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

Name name_of(const char* format, ...) {
    Name name;
    va_list values;
    va_start(values, format);
    vsnprintf(name.text, sizeof name.text, format, values);
    va_end(values);
    return name;
}

const uint16_t* find(Builder* builder, const char* prefix, const char* name) {
    const Name whole = name_of("%s%s", prefix, name);
    for (int i = 0; i < builder->count; i++)
        if (strcmp(builder->names[i], whole.text) == 0) return builder->values[i];
    builder->missing = true;
    return NULL;
}

const float* floats_of(Builder* builder, const char* prefix, const char* name, int count) {
    const int padded = rounded_up(count, LANES);
    const uint16_t* values = find(builder, prefix, name);
    float* out = take_floats(&builder->room, padded);
    if (!out || !values) return out;
    for (int i = 0; i < padded; i++) out[i] = i < count ? half_to_float(values[i]) : 0;
    return out;
}

Matrix matrix_of(Builder* builder, const char* prefix, const char* weight, const char* bias, int bias_from,
                 const Order* order, Kind kind) {
    Matrix matrix = {.vectors = kind.narrow ? 1 : 2, .floats = kind.floats};
    matrix.block = kind.block ? kind.block : LONG_BLOCK, matrix.parts = kind.parts ? kind.parts : 1;
    const int width = LANES * matrix.vectors, padded = rounded_up(order->outputs, width);
    const uint16_t *weights = find(builder, prefix, weight), *offsets = find(builder, prefix, bias);
    void* values = take(&builder->room, packed_bytes(order->outputs, order->depth, matrix.vectors, matrix.floats));
    float *gains = take_floats(&builder->room, padded), *added = take_floats(&builder->room, padded);
    if (values && weights && offsets)
        pack_matrix(&matrix, weights, order, offsets + bias_from, kind.output_gains, kind.gated, values, gains,
                    added);
    return matrix;
}

Matrix pointwise(Builder* builder, const char* prefix, int out, int in, Kind kind) {
    return convolution(builder, prefix, out, in, 1, kind);
}

Matrix convolution(Builder* builder, const char* prefix, int out, int in, int width, Kind kind) {
    const Order order = {.outputs = out,
                         .depth = width * in,
                         .n0 = out,
                         .n0_step = in * width,
                         .k0 = in,
                         .k0_step = width,
                         .k1 = width,
                         .k1_step = 1};
    return matrix_of(builder, prefix, "weight", "bias", 0, &order, kind);
}

Matrix transposed(Builder* builder, const char* prefix, int in, int out, Kind kind) {
    // Of four positions that stand together, position r is met by tap r of the second row and tap r + 4 of the first.
    const Order order = {.outputs = 4 * out,
                         .depth = 2 * in,
                         .n0 = out,
                         .n0_step = 8,
                         .n1_step = 1,
                         .base = 4,
                         .k0 = in,
                         .k0_step = (ptrdiff_t)out * 8,
                         .k1 = 2,
                         .k1_step = -4};
    return matrix_of(builder, prefix, "weight", "bias", 0, &order, kind);
}
