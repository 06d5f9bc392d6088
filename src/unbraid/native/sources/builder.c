#include "builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

Name format_name(const char* format, ...) {
    Name name;
    va_list values;
    va_start(values, format);
    vsnprintf(name.text, sizeof name.text, format, values);
    va_end(values);
    return name;
}

const uint16_t* find_tensor(Builder* builder, const char* prefix, const char* name, int64_t length) {
    const Name full = format_name("%s%s", prefix, name);
    int32_t error = MISSING_TENSOR;
    for (int i = 0; i < builder->count; i++)
        if (strcmp(builder->names[i], full.text) == 0) {
            if (builder->lengths[i] == length) return builder->values[i];
            error = WRONG_LENGTH;
        }
    if (!builder->error) builder->error = error;
    return NULL;
}

const float* floats_from(Builder* builder, const char* prefix, const char* name, int count) {
    const int padded = round_up(count, LANES);
    const uint16_t* values = find_tensor(builder, prefix, name, count);
    float* out = arena_floats(&builder->arena, padded);
    if (!out || !values) return out;
    for (int i = 0; i < padded; i++) out[i] = i < count ? half_to_float(values[i]) : 0;
    return out;
}

Matrix matrix_from(Builder* builder, const char* prefix, const char* weight, const char* bias, int bias_from,
                   const WeightLayout* layout, MatrixOptions options) {
    Matrix matrix = {.vectors = options.narrow ? 1 : 2, .floats = options.floats};
    matrix.block = options.block ? options.block : LONG_BLOCK, matrix.parts = options.parts ? options.parts : 1;
    const int width = LANES * matrix.vectors, padded = round_up(layout->outputs, width);
    const uint16_t *weights = find_tensor(builder, prefix, weight, layout->weights),
                   *offsets = find_tensor(builder, prefix, bias, layout->biases);
    void* values =
        arena_alloc(&builder->arena, packed_bytes(layout->outputs, layout->depth, matrix.vectors, matrix.floats));
    float *gains = arena_floats(&builder->arena, padded), *added = arena_floats(&builder->arena, padded);
    if (values && weights && offsets)
        pack_matrix(&matrix, weights, layout, offsets + bias_from, options.input_gains, options.output_gains,
                    options.gated, values, gains, added);
    return matrix;
}

Matrix pointwise(Builder* builder, const char* prefix, int out, int in, MatrixOptions options) {
    return convolution(builder, prefix, out, in, 1, options);
}

Matrix convolution(Builder* builder, const char* prefix, int out, int in, int width, MatrixOptions options) {
    const WeightLayout layout = {.weights = (int64_t)out * in * width,
                                 .biases = out,
                                 .outputs = out,
                                 .depth = width * in,
                                 .n0 = out,
                                 .n0_step = in * width,
                                 .k0 = in,
                                 .k0_step = width,
                                 .k1 = width,
                                 .k1_step = 1};
    return matrix_from(builder, prefix, "weight", "bias", 0, &layout, options);
}

Matrix transposed(Builder* builder, const char* prefix, int in, int out, MatrixOptions options) {
    // Output row r, from 0 to 3, is tap r of the second input row plus tap r + 4 of the first.
    const WeightLayout layout = {.weights = (int64_t)in * out * 8,
                                 .biases = out,
                                 .outputs = 4 * out,
                                 .depth = 2 * in,
                                 .n0 = out,
                                 .n0_step = 8,
                                 .n1_step = 1,
                                 .base = 4,
                                 .k0 = in,
                                 .k0_step = (ptrdiff_t)out * 8,
                                 .k1 = 2,
                                 .k1_step = -4};
    return matrix_from(builder, prefix, "weight", "bias", 0, &layout, options);
}
