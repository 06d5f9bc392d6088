#include "winograd.h"

#include <string.h>

#include "float_products.h"

#define INPUT_SIZE 6                      // rows and columns of inputs that a tile of outputs depends on
#define POINTS (INPUT_SIZE * INPUT_SIZE)  // products of a tile
#define MAX_TILES 32                      // tiles that are transformed together: they stay in the second-level cache
#define PAD 16  // floats between the matrices of two points, which would compete for the same cache lines

#define ROOT_2 1.41421356f
#define HALF_ROOT_2 0.707106781f

// Distance of the matrices of two points, in floats.
static ptrdiff_t point_stride(int channels) { return (ptrdiff_t)MAX_TILES * channels + PAD; }

// One dimension of the transform of inputs.
INLINE void transform_inputs(const Floats d[INPUT_SIZE], Floats out[INPUT_SIZE]) {
    const Floats even_a = multiply_add(splat(-2.0f), d[2], d[4]), odd_a = multiply_add(splat(-2.0f), d[1], d[3]);
    const Floats even_b = multiply_add(splat(-0.5f), d[2], d[4]), odd_b = multiply_add(splat(-0.5f), d[1], d[3]);
    out[0] = multiply_add(splat(-2.5f), d[2], d[0] + d[4]);
    out[1] = multiply_add(splat(HALF_ROOT_2), odd_a, even_a);
    out[2] = multiply_add(splat(-HALF_ROOT_2), odd_a, even_a);
    out[3] = multiply_add(splat(ROOT_2), odd_b, even_b);
    out[4] = multiply_add(splat(-ROOT_2), odd_b, even_b);
    out[5] = multiply_add(splat(-2.5f), d[3], d[1] + d[5]);
}

// One dimension of the transform of products.
INLINE void transform_products(const Floats m[INPUT_SIZE], Floats out[TILE_SIZE]) {
    const Floats sum_a = m[1] + m[2], difference_a = (m[1] - m[2]) * splat(HALF_ROOT_2);
    const Floats sum_b = m[3] + m[4], difference_b = (m[3] - m[4]) * splat(ROOT_2);
    out[0] = m[0] + sum_a + sum_b;
    out[1] = difference_a + difference_b;
    out[2] = multiply_add(splat(0.5f), sum_a, sum_b + sum_b);
    out[3] = multiply_add(splat(0.5f), difference_a, multiply_add(splat(2.0f), difference_b, m[5]));
}

// One dimension of the transform of weights.
static void transform_weights(const double g[3], double out[INPUT_SIZE]) {
    const double root_2 = 1.4142135623730951, points[] = {root_2 / 2, -root_2 / 2, root_2, -root_2};
    const double scales[] = {-1 / 1.5, -1 / 1.5, 1.0 / 6, 1.0 / 6};
    out[0] = g[0], out[5] = g[2];
    for (int i = 0; i < 4; i++) out[1 + i] = (g[0] + points[i] * g[1] + points[i] * points[i] * g[2]) * scales[i];
}

size_t winograd_floats(int inputs, int outputs) { return (size_t)POINTS * inputs * outputs; }

void pack_winograd(const float* weights, int inputs, int outputs, float* packed) {
    const int width = panel_vectors(outputs) * LANES;
    for (int n = 0; n < outputs; n++)
        for (int c = 0; c < inputs; c++) {
            const float* g = weights + ((ptrdiff_t)n * inputs + c) * 9;
            double rows[3][INPUT_SIZE];
            for (int i = 0; i < 3; i++) transform_weights((double[]){g[3 * i], g[3 * i + 1], g[3 * i + 2]}, rows[i]);
            float* to = packed + (((ptrdiff_t)(n / width) * POINTS) * inputs + c) * width + n % width;
            for (int j = 0; j < INPUT_SIZE; j++) {
                double column[INPUT_SIZE];
                transform_weights((double[]){rows[0][j], rows[1][j], rows[2][j]}, column);
                for (int i = 0; i < INPUT_SIZE; i++)
                    to[(ptrdiff_t)(i * INPUT_SIZE + j) * inputs * width] = (float)column[i];
            }
        }
}

size_t winograd_scratch(int inputs, int outputs) {
    const int width = panel_vectors(outputs) * LANES;
    return (POINTS * (size_t)(point_stride(inputs) + point_stride(width) + inputs)) * sizeof(float);
}

// Transform the inputs of a tile. x: its first input, with these distances of rows (frames) and columns (bins).
static void transform_tile(const float* x, ptrdiff_t row, ptrdiff_t column, int channels, float* out) {
    const ptrdiff_t point = point_stride(channels);
    for (int c = 0; c < channels; c += LANES) {
        Floats half[INPUT_SIZE][INPUT_SIZE];  // transformed along the frames
#pragma GCC unroll 6
        for (int j = 0; j < INPUT_SIZE; j++) {
            Floats d[INPUT_SIZE], t[INPUT_SIZE];
#pragma GCC unroll 6
            for (int i = 0; i < INPUT_SIZE; i++) d[i] = load(x + i * row + j * column + c);
            transform_inputs(d, t);
#pragma GCC unroll 6
            for (int i = 0; i < INPUT_SIZE; i++) half[i][j] = t[i];
        }
#pragma GCC unroll 6
        for (int i = 0; i < INPUT_SIZE; i++) {
            Floats t[INPUT_SIZE];
            transform_inputs(half[i], t);
#pragma GCC unroll 6
            for (int j = 0; j < INPUT_SIZE; j++) store(out + (i * INPUT_SIZE + j) * point + c, t[j]);
        }
    }
}

// Transform the products of a tile for `width` channels, and store its outputs.
static void transform_back(const float* products, int width, const float* offsets, float* out, ptrdiff_t row,
                           ptrdiff_t column) {
    const ptrdiff_t point = point_stride(width);
    for (int c = 0; c < width; c += LANES) {
        Floats half[TILE_SIZE][INPUT_SIZE];
#pragma GCC unroll 6
        for (int j = 0; j < INPUT_SIZE; j++) {
            Floats m[INPUT_SIZE], t[TILE_SIZE];
#pragma GCC unroll 6
            for (int i = 0; i < INPUT_SIZE; i++) m[i] = load(products + (i * INPUT_SIZE + j) * point + c);
            transform_products(m, t);
#pragma GCC unroll 4
            for (int i = 0; i < TILE_SIZE; i++) half[i][j] = t[i];
        }
        const Floats offset = load(offsets + c);
#pragma GCC unroll 4
        for (int i = 0; i < TILE_SIZE; i++) {
            Floats t[TILE_SIZE];
            transform_products(half[i], t);
#pragma GCC unroll 4
            for (int j = 0; j < TILE_SIZE; j++)
                store(out + i * row + j * column + c, larger(splat(0), t[j] + offset));
        }
    }
}

INLINE int multiply_rows(const float* x, int inputs, const float* weights, int row, int end, float* out,
                         const int rows, const int vectors) {
    const int width = vectors * LANES;
    for (; row + rows <= end; row += rows) {
        Sums sums;
        clear_sums(sums, rows, vectors);
        add_products(x + (ptrdiff_t)row * inputs, inputs, 1, weights, width, inputs, rows, vectors, sums);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) store(out + (row + r) * width + v * LANES, sums[r][v]);
    }
    return row;
}

// x (tiles, inputs) times weights (inputs, panel), for each point.
INLINE void multiply_points(const float* x, int inputs, const float* weights, int tiles, float* out,
                            const int vectors) {
    const int width = vectors * LANES;
    for (int i = 0; i < POINTS; i++) {
        const float *from = x + i * point_stride(inputs), *panel = weights + (ptrdiff_t)i * inputs * width;
        float* to = out + i * point_stride(width);
        int row = multiply_rows(from, inputs, panel, 0, tiles, to, PRODUCT_ROWS, vectors);
        row = multiply_rows(from, inputs, panel, row, tiles, to, PRODUCT_ROWS / 2, vectors);
        multiply_rows(from, inputs, panel, row, tiles, to, 1, vectors);
    }
}

typedef struct {
    const Winograd* layer;
    const float* x;
    int frames, bins;
    float* out;
} Convolution;

// Copy the inputs of a tile at the edge, with zeros around.
static void copy_with_zeros(const Convolution* work, int frame, int bin, float* patch) {
    const int inputs = work->layer->inputs;
    for (int i = 0; i < INPUT_SIZE; i++)
        for (int j = 0; j < INPUT_SIZE; j++) {
            const int f = frame + i, b = bin + j;
            float* to = patch + (i * INPUT_SIZE + j) * inputs;
            if (0 <= f && f < work->frames && 0 <= b && b < work->bins)
                memcpy(to, work->x + ((ptrdiff_t)f * work->bins + b) * inputs, inputs * sizeof *to);
            else
                memset(to, 0, inputs * sizeof *to);
        }
}

// Compute a row of tiles: TILE_SIZE frames.
static void convolve_row(const void* context, int index, Arena* scratch) {
    const Convolution* work = context;
    const int inputs = work->layer->inputs, outputs = work->layer->outputs, bins = work->bins;
    const int vectors = panel_vectors(outputs), width = vectors * LANES;
    float* transformed = (float*)scratch->memory;
    float* products = transformed + POINTS * point_stride(inputs);
    float* patch = products + POINTS * point_stride(width);
    const int frame = index * TILE_SIZE, all_tiles = bins / TILE_SIZE;
    const ptrdiff_t row = (ptrdiff_t)bins * inputs, row_out = (ptrdiff_t)bins * outputs;
    for (int first = 0; first < all_tiles; first += MAX_TILES) {
        const int tiles = min_int(MAX_TILES, all_tiles - first);
        for (int t = 0; t < tiles; t++) {
            const int bin = (first + t) * TILE_SIZE;
            float* to = transformed + (ptrdiff_t)t * inputs;
            if (frame == 0 || frame + TILE_SIZE == work->frames || bin == 0 || bin + TILE_SIZE == bins) {
                copy_with_zeros(work, frame - 1, bin - 1, patch);
                transform_tile(patch, INPUT_SIZE * inputs, inputs, inputs, to);
            } else {
                transform_tile(work->x + ((ptrdiff_t)(frame - 1) * bins + bin - 1) * inputs, row, inputs, inputs, to);
            }
        }
        for (int from = 0; from < outputs; from += width) {
            const float* weights = work->layer->weights + (ptrdiff_t)from * POINTS * inputs;
            if (vectors == 3)
                multiply_points(transformed, inputs, weights, tiles, products, 3);
            else if (vectors == 2)
                multiply_points(transformed, inputs, weights, tiles, products, 2);
            else
                multiply_points(transformed, inputs, weights, tiles, products, 1);
            for (int t = 0; t < tiles; t++)
                transform_back(products + (ptrdiff_t)t * width, width, work->layer->offsets + from,
                               work->out + ((ptrdiff_t)frame * bins + (first + t) * TILE_SIZE) * outputs + from,
                               row_out, outputs);
        }
    }
}

void convolve(const Winograd* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool) {
    parallel_for(pool, convolve_row, &(Convolution){layer, x, frames, bins, out}, frames / TILE_SIZE);
}
