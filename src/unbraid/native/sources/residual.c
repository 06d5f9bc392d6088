// The wide tensor y before the gate is by far the largest one. Its mean and variance are computed without storing it:
//
//   h: narrow vectors, with mean m over time;  y = W h + b: wide vectors, of n values
//   variance within channels:  average over time of (h - m)' G (h - m),  G = W' W / n
//   variance of y:  variance within channels + variance of the channel means W m + b
//
// With the mean M and deviation s of y, and gain g and offset o of the normalisation, the gate's input is
//
//   (g / s) W h + g (b - M) / s + o
//
// So one product computes it from h, with the gains g / s and the offsets g (b - M) / s + o.

#include "residual.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define RESIDUAL_ROWS 1008  // rows of a task
#define FLOAT_SUM_ROWS 32   // rows in a sum of floats; a longer sum would lose small differences between rows

_Static_assert(MAX_NARROW % LANES == 0, "narrow rows are padded to whole vectors");

static int padded(int narrow) { return round_up(narrow, LANES); }

static Branch make_branch(Builder* builder, const char* prefix, int channels, bool floats) {
    const int narrow = channels / 8, wide = 2 * channels, width = padded(narrow);
    Branch branch = {.channels = channels, .narrow = narrow};
    branch.down =
        convolution(builder, format_name("%s0.", prefix).text, narrow, channels, 3,
                    (MatrixOptions){.narrow = narrow <= LANES, .floats = floats, .block = SHORT_BLOCK, .parts = 3});
    branch.down_gains = floats_from(builder, prefix, "1.weight", narrow);
    branch.down_offsets = floats_from(builder, prefix, "1.bias", narrow);
    branch.up = pointwise(builder, format_name("%s3.", prefix).text, wide, narrow,
                          (MatrixOptions){.gated = true, .floats = true});
    float *up_gains = arena_floats(&builder->arena, wide), *up_offsets = arena_floats(&builder->arena, wide);
    float* gram = arena_floats(&builder->arena, narrow * width);
    const uint16_t* w = find_tensor(builder, prefix, "3.weight", wide * narrow);
    const uint16_t *gains = find_tensor(builder, prefix, "4.weight", wide),
                   *offsets = find_tensor(builder, prefix, "4.bias", wide);
    const uint16_t* scale = find_tensor(builder, prefix, "6.scale", channels);
    if (!gram || builder->error) return branch;
    for (int column = 0; column < wide; column++) {
        const int channel = column / (2 * LANES) * LANES + column % LANES;
        const bool gate = column % (2 * LANES) >= LANES;
        const float factor = gate ? 1 : half_to_float(scale[channel]);
        up_gains[column] = factor * half_to_float(gains[channel + gate * channels]);
        up_offsets[column] = factor * half_to_float(offsets[channel + gate * channels]);
    }
    memset(gram, 0, narrow * width * sizeof *gram);
    for (int i = 0; i < narrow; i++)
        for (int j = 0; j < narrow; j++) {
            double sum = 0;
            for (int c = 0; c < wide; c++) sum += half_to_float(w[c * narrow + i]) * half_to_float(w[c * narrow + j]);
            gram[i * width + j] = (float)(sum / wide);
        }
    branch.up_gains = up_gains, branch.up_offsets = up_offsets, branch.gram = gram;
    return branch;
}

Residual make_residual(Builder* builder, const char* prefix, int channels, bool floats) {
    Residual residual;
    for (int k = 0; k < BRANCHES; k++)
        residual.branches[k] =
            make_branch(builder, format_name("%sdconv.layers.%d.", prefix, k).text, channels, floats);
    return residual;
}

typedef struct {
    double mean, deviation;
} Moments;

// Input, results and memory of one branch on `count` rows of x. Each piece has its own sums. They are added in a
// fixed order, so that the result does not depend on the number of threads.
typedef struct {
    const Branch* branch;
    float *x, *h;  // h: the narrow rows, (count, padded)
    ptrdiff_t stride;
    int count, dilation;
    int16_t* integers;           // quantised x, between `dilation` rows of zeros on either side
    float* gains;                // gain of each row of `integers`; 0 for the rows of zeros
    double (*sums)[MAX_NARROW];  // sums of each piece: one for each narrow channel, or only one, at index 0
    Moments narrow_moments;
    float means[MAX_NARROW];  // mean of each narrow channel over time
    const float *up_gains, *up_offsets;
} BranchWork;

static int pieces(int count) { return ceil_div(count, RESIDUAL_ROWS); }

static int end_of(const BranchWork* work, int piece) { return min_int((piece + 1) * RESIDUAL_ROWS, work->count); }

// Lanes of the vector at v that belong to narrow channels.
static int lanes_from(int v, int narrow) { return min_int(narrow - v, LANES); }

static void quantise_piece(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const int channels = work->branch->channels;
    const int from = piece * RESIDUAL_ROWS, row = from + work->dilation;
    quantise_rows(work->x + from * work->stride, work->stride, end_of(work, piece) - from, channels, SHORT_BLOCK,
                  work->integers + (ptrdiff_t)row * channels, work->gains + row);
}

// Sum the narrow channels of a piece over time.
static void sum_narrow(const BranchWork* work, int piece) {
    const int narrow = work->branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double* sums = work->sums[piece];
    for (int i = 0; i < narrow; i++) sums[i] = 0;
    for (int from = piece * RESIDUAL_ROWS; from < end; from += FLOAT_SUM_ROWS)
        for (int v = 0; v < narrow; v += LANES) {
            Floats partial = splat(0);
            for (int t = from; t < min_int(from + FLOAT_SUM_ROWS, end); t++)
                partial = partial + load_first(work->h + (ptrdiff_t)t * width + v, lanes_from(v, narrow));
            float values[LANES];
            store(values, partial);
            for (int i = v; i < min_int(v + LANES, narrow); i++) sums[i] += values[i - v];
        }
}

// Compute the narrow rows, before their normalisation, and their sums.
static void project_down(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const Branch* branch = work->branch;
    const int from = piece * RESIDUAL_ROWS, width = padded(branch->narrow);
    const ptrdiff_t bytes = branch->channels * sizeof *work->integers, x_bytes = work->stride * sizeof *work->x;
    const Rows floats = {
        .values = work->x + (from - work->dilation) * work->stride,
        .stride = x_bytes,
        .part_stride = work->dilation * x_bytes,
    };
    const Rows integers = {
        .values = work->integers + (ptrdiff_t)from * branch->channels,
        .stride = bytes,
        .part_stride = work->dilation * bytes,
        .gains = work->gains + from,
        .gains_stride = 1,
        .gains_part_stride = work->dilation,
    };
    multiply(&branch->down, branch->down.floats ? &floats : &integers, end_of(work, piece) - from,
             &(Result){.values = work->h + (ptrdiff_t)from * width, .stride = width, .epilogue = STORE});
    sum_narrow(work, piece);
}

// Sum the squared differences from the mean of all narrow values.
static void sum_narrow_squares(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const int narrow = work->branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double square = 0;
    for (int from = piece * RESIDUAL_ROWS; from < end; from += FLOAT_SUM_ROWS) {
        Floats partial = splat(0);
        for (int t = from; t < min_int(from + FLOAT_SUM_ROWS, end); t++)
            for (int v = 0; v < narrow; v += LANES) {
                const int lanes = lanes_from(v, narrow);
                const Floats values = load_first(work->h + (ptrdiff_t)t * width + v, lanes);
                const Floats centred = keep_first(values - splat((float)work->narrow_moments.mean), lanes);
                partial = multiply_add(centred, centred, partial);
            }
        square += sum_of_lanes(partial);
    }
    work->sums[piece][0] = square;
}

// Normalise the narrow rows and apply GELU, in place.
static void activate(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const Branch* branch = work->branch;
    const int narrow = branch->narrow, width = padded(narrow);
    for (int v = 0; v < narrow; v += LANES) {
        const Floats gains = load(branch->down_gains + v) * splat((float)(1 / work->narrow_moments.deviation));
        const Floats mean = splat((float)work->narrow_moments.mean), offsets = load(branch->down_offsets + v);
        for (int t = piece * RESIDUAL_ROWS; t < end_of(work, piece); t++) {
            float* values = work->h + (ptrdiff_t)t * width + v;
            const Floats centred = load_first(values, lanes_from(v, narrow)) - mean;
            store(values, gelu(multiply_add(centred, gains, offsets)));
        }
    }
    sum_narrow(work, piece);
}

// Sum (h - m)' G (h - m) over the rows of a piece: the squares of the wide values, computed from the narrow ones.
static void sum_wide_squares(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const Branch* branch = work->branch;
    const int narrow = branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double square = 0;
    for (int from = piece * RESIDUAL_ROWS; from < end; from += FLOAT_SUM_ROWS) {
        Floats partial = splat(0);
        for (int t = from; t < min_int(from + FLOAT_SUM_ROWS, end); t++) {
            const float* row = work->h + (ptrdiff_t)t * width;
            float centred[MAX_NARROW];
            for (int v = 0; v < width; v += LANES) store(centred + v, load(row + v) - load(work->means + v));
            for (int v = 0; v < width; v += LANES) {
                Floats products = splat(0);
                for (int i = 0; i < narrow; i++)
                    products = multiply_add(splat(centred[i]), load(branch->gram + i * width + v), products);
                partial = multiply_add(load(centred + v), products, partial);
            }
        }
        square += sum_of_lanes(partial);
    }
    work->sums[piece][0] = square;
}

// Compute the wide rows, normalise, gate and scale them, and add the result to x.
static void project_up(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const BranchWork* work = context;
    const int from = piece * RESIDUAL_ROWS, width = padded(work->branch->narrow);
    const Rows rows = {.values = work->h + (ptrdiff_t)from * width, .stride = width * sizeof *work->h};
    const Result result = {
        .values = work->x + from * work->stride,
        .stride = work->stride,
        .epilogue = ADD_GATED,
        .gains = work->up_gains,
        .offsets = work->up_offsets,
    };
    multiply(&work->branch->up, &rows, end_of(work, piece) - from, &result);
}

// The total of all pieces' sums at this index.
static double total_at(const BranchWork* work, int index) {
    double sum = 0;
    for (int i = 0; i < pieces(work->count); i++) sum += work->sums[i][index];
    return sum;
}

// Moments of the wide rows. `within`: their variance within channels.
static Moments wide_moments(const BranchWork* work, double within) {
    const Branch* branch = work->branch;
    const int wide = 2 * branch->channels, narrow = branch->narrow, width = 2 * LANES;
    double means[2 * MAX_CHANNELS], mean = 0, between = 0;
    for (int n = 0; n < wide; n++) {
        const float* weights = (const float*)branch->up.values + (ptrdiff_t)(n / width) * width * narrow + n % width;
        means[n] = branch->up.offsets[n];
        for (int i = 0; i < narrow; i++) means[n] += (double)weights[i * width] * work->means[i];
        mean += means[n] / wide;
    }
    for (int n = 0; n < wide; n++) between += (means[n] - mean) * (means[n] - mean) / wide;
    return (Moments){mean, sqrt(within + between + EPSILON)};
}

// Add the result of one branch to x.
static void add_branch(BranchWork* work, ThreadPool* pool) {
    const Branch* branch = work->branch;
    const int count = work->count, parts = pieces(count), dilation = work->dilation, narrow = branch->narrow;
    if (!branch->down.floats) {
        const size_t margin = dilation * branch->channels * sizeof *work->integers;
        memset(work->integers, 0, margin);
        memset(work->integers + (ptrdiff_t)(count + dilation) * branch->channels, 0, margin);
        for (int i = 0; i < dilation; i++) work->gains[i] = work->gains[count + dilation + i] = 0;
        parallel_for(pool, quantise_piece, work, parts);
    }
    parallel_for(pool, project_down, work, parts);
    const double values = (double)narrow * count;
    work->narrow_moments.mean = 0;
    for (int i = 0; i < narrow; i++) work->narrow_moments.mean += total_at(work, i) / values;
    parallel_for(pool, sum_narrow_squares, work, parts);
    work->narrow_moments.deviation = sqrt(total_at(work, 0) / values + EPSILON);
    parallel_for(pool, activate, work, parts);
    for (int i = 0; i < padded(narrow); i++) work->means[i] = i < narrow ? (float)(total_at(work, i) / count) : 0;
    parallel_for(pool, sum_wide_squares, work, parts);
    const Moments wide = wide_moments(work, total_at(work, 0) / count);
    float gains[2 * MAX_CHANNELS], offsets[2 * MAX_CHANNELS];
    for (int n = 0; n < 2 * branch->channels; n++) {
        gains[n] = (float)(branch->up_gains[n] / wide.deviation);
        offsets[n] = (float)((branch->up.offsets[n] - wide.mean) * gains[n]) + branch->up_offsets[n];
    }
    work->up_gains = gains, work->up_offsets = offsets;
    parallel_for(pool, project_up, work, parts);
}

ResidualMemory residual_memory(Arena* arena, const Residual* residual, int count) {
    const size_t mark = arena->used;
    const Branch* last = &residual->branches[BRANCHES - 1];
    ResidualMemory memory = {0};
    if (!last->down.floats) {
        memory.integers =
            arena_alloc(arena, (size_t)(count + 2 * MAX_DILATION) * last->channels * sizeof *memory.integers);
        memory.gains = arena_floats(arena, count + 2 * MAX_DILATION);
    }
    memory.narrow = arena_floats(arena, (size_t)count * padded(last->narrow));
    memory.sums = arena_alloc(arena, pieces(count) * sizeof *memory.sums);
    arena->used = mark;
    return memory;
}

void add_residual(const Residual* residual, float* x, ptrdiff_t stride, int count, Arena* arena, ThreadPool* pool) {
    const ResidualMemory memory = residual_memory(arena, residual, count);
    if (is_plan(arena)) return;
    BranchWork work = {
        .x = x,
        .stride = stride,
        .count = count,
        .integers = memory.integers,
        .gains = memory.gains,
        .h = memory.narrow,
        .sums = memory.sums,
    };
    for (int k = 0; k < BRANCHES; k++) {
        work.branch = &residual->branches[k], work.dilation = k + 1;
        add_branch(&work, pool);
    }
}
