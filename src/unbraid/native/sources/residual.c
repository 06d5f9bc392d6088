// The wide tensor between the last convolution and its gate is by far the largest here. Its mean and variance are
// found without it. Let h be a narrow vector, y = W h + b its wide one of n values, and c = b - mean(b). Over the
// values of y - mean(b), the mean is w'h with w the mean row of W, and the mean square h'Gh + 2 (W'c / n)'h + |c|^2 /
// n with G = W'W / n: all of them of narrow vectors alone. With the mean M and the deviation s of all y, gain g and
// offset o of the normalisation, what is gated is (g / s) (W h) + g (b - M) / s + o, which is W h with other gains
// and offsets.

#include "residual.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define ROWS 1008  // that are worked on at once, and summed up as floats

static int padded(int narrow) { return (narrow + LANES - 1) / LANES * LANES; }

static Branch make_branch(Builder* builder, const char* prefix, int channels) {
    const int narrow = channels / 8, wide = 2 * channels, width = padded(narrow);
    Branch branch = {.channels = channels, .narrow = narrow};
    branch.down = convolution(builder, name_of("%s0.", prefix).text, narrow, channels, 3,
                              (Kind){.narrow = narrow <= LANES, .block = SHORT_BLOCK, .parts = 3});
    branch.down_gains = floats_of(builder, prefix, "1.weight", narrow);
    branch.down_offsets = floats_of(builder, prefix, "1.bias", narrow);
    branch.up = pointwise(builder, name_of("%s3.", prefix).text, wide, narrow, (Kind){.gated = true, .floats = true});
    float *up_gains = take_floats(&builder->room, wide), *up_offsets = take_floats(&builder->room, wide);
    float* gram = take_floats(&builder->room, narrow * width);
    float *mean_weights = take_floats(&builder->room, width), *cross = take_floats(&builder->room, width);
    const uint16_t *w = find(builder, prefix, "3.weight"), *b = find(builder, prefix, "3.bias");
    const uint16_t *gains = find(builder, prefix, "4.weight"), *offsets = find(builder, prefix, "4.bias");
    const uint16_t* scale = find(builder, prefix, "6.scale");
    if (!gram || builder->missing) return branch;
    for (int place = 0; place < wide; place++) {
        const int channel = place / (2 * LANES) * LANES + place % LANES;
        const bool gate = place % (2 * LANES) >= LANES;
        const float by = gate ? 1 : half_to_float(scale[channel]);
        up_gains[place] = by * half_to_float(gains[channel + gate * channels]);
        up_offsets[place] = by * half_to_float(offsets[channel + gate * channels]);
    }
    double bias = 0, square = 0;
    for (int c = 0; c < wide; c++) bias += half_to_float(b[c]) / wide;
    for (int c = 0; c < wide; c++) square += pow(half_to_float(b[c]) - bias, 2) / wide;
    memset(gram, 0, narrow * width * sizeof(float));
    memset(mean_weights, 0, width * sizeof(float)), memset(cross, 0, width * sizeof(float));
    for (int i = 0; i < narrow; i++) {
        double mean = 0, product = 0;
        for (int c = 0; c < wide; c++) {
            const float weight = half_to_float(w[c * narrow + i]);
            mean += weight, product += weight * (half_to_float(b[c]) - bias);
        }
        mean_weights[i] = (float)(mean / wide), cross[i] = (float)(product / wide);
        for (int j = 0; j < narrow; j++) {
            double sum = 0;
            for (int c = 0; c < wide; c++) sum += half_to_float(w[c * narrow + i]) * half_to_float(w[c * narrow + j]);
            gram[i * width + j] = (float)(sum / wide);
        }
    }
    branch.up_gains = up_gains, branch.up_offsets = up_offsets, branch.gram = gram;
    branch.mean_weights = mean_weights, branch.cross_weights = cross;
    branch.mean_bias = (float)bias, branch.square_bias = (float)square;
    return branch;
}

Residual make_residual(Builder* builder, const char* prefix, int channels) {
    Residual residual;
    for (int k = 0; k < DILATIONS; k++)
        residual.branches[k] = make_branch(builder, name_of("%sdconv.layers.%d.", prefix, k).text, channels);
    return residual;
}

// Both branches at work on `count` rows of x. Sums are kept for each piece, so that they are added up in one order
// whoever computes them.
typedef struct {
    double sum, square;
} Sums;

typedef struct {
    double mean, deviation;
} Moments;

typedef struct {
    const Branch* branch;
    float *x, *h;  // h: (count, padded)
    ptrdiff_t stride;
    int count, dilation;
    int16_t* integers;  // with `dilation` more rows on either side, as gains
    float* gains;
    Sums* sums;
    Moments moments;
    const float *up_gains, *up_offsets;
} Work;

static int pieces(int count) { return (count + ROWS - 1) / ROWS; }

static int end_of(const Work* work, int piece) {
    const int end = (piece + 1) * ROWS;
    return end < work->count ? end : work->count;
}

static Moments moments(const Work* work, double values) {
    Sums all_sums = {0, 0};
    for (int i = 0; i < pieces(work->count); i++)
        all_sums.sum += work->sums[i].sum, all_sums.square += work->sums[i].square;
    const double mean = all_sums.sum / values, variance = all_sums.square / values - mean * mean;
    return (Moments){mean, sqrt((variance < 0 ? 0 : variance) + EPSILON)};
}

static void quantise_piece(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const int channels = work->branch->channels;
    for (int t = piece * ROWS; t < end_of(work, piece); t++)
        work->gains[t + work->dilation] = quantise_row(work->x + t * work->stride, channels, SHORT_BLOCK,
                                                       work->integers + (ptrdiff_t)(t + work->dilation) * channels);
}

// The narrow rows before their normalisation.
static void go_down(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const Branch* branch = work->branch;
    const int from = piece * ROWS, end = end_of(work, piece), narrow = branch->narrow, width = padded(narrow);
    const ptrdiff_t bytes = branch->channels * sizeof *work->integers;
    const Rows rows = {work->integers + (ptrdiff_t)from * branch->channels,
                       bytes,
                       work->dilation * bytes,
                       work->gains + from,
                       1,
                       work->dilation};
    multiply(&branch->down, &rows, end - from,
             &(Result){.values = work->h + (ptrdiff_t)from * width, .stride = width, .finish = STORE});
    Floats sums = all(0), squares = all(0);
    for (int t = from; t < end; t++)
        for (int v = 0; v < narrow; v += LANES) {
            const __mmask16 mask = first(narrow - v < LANES ? narrow - v : LANES);
            Floats values = _mm512_maskz_loadu_ps(mask, work->h + (ptrdiff_t)t * width + v);
            sums = _mm512_add_ps(sums, values), squares = _mm512_fmadd_ps(values, values, squares);
        }
    work->sums[piece] = (Sums){_mm512_reduce_add_ps(sums), _mm512_reduce_add_ps(squares)};
}

// Normalises and activates the narrow rows in place; sums up the wide ones.
static void activate(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const Branch* branch = work->branch;
    const int narrow = branch->narrow, width = padded(narrow), vectors = width / LANES;
    Floats gains[MOST_NARROW / LANES], offsets[MOST_NARROW / LANES];
    for (int v = 0; v < vectors; v++) {
        gains[v] = _mm512_mul_ps(load(branch->down_gains + v * LANES), all((float)(1 / work->moments.deviation)));
        offsets[v] =
            _mm512_fnmadd_ps(all((float)work->moments.mean), gains[v], load(branch->down_offsets + v * LANES));
    }
    Floats sums = all(0), squares = all(0);
    for (int t = piece * ROWS; t < end_of(work, piece); t++) {
        float* row = work->h + (ptrdiff_t)t * width;
        for (int v = 0; v < vectors; v++) {
            const __mmask16 mask = first(narrow - v * LANES < LANES ? narrow - v * LANES : LANES);
            Floats values = _mm512_maskz_loadu_ps(mask, row + v * LANES);
            store(row + v * LANES, gelu(_mm512_fmadd_ps(values, gains[v], offsets[v])));
        }
        for (int v = 0; v < vectors; v++) {
            Floats values = load(row + v * LANES), products = load(branch->cross_weights + v * LANES);
            products = _mm512_add_ps(products, products);
            for (int i = 0; i < narrow; i++)
                products = _mm512_fmadd_ps(all(row[i]), load(branch->gram + i * width + v * LANES), products);
            squares = _mm512_fmadd_ps(values, products, squares);
            sums = _mm512_fmadd_ps(values, load(branch->mean_weights + v * LANES), sums);
        }
    }
    const double rows = end_of(work, piece) - piece * ROWS;
    work->sums[piece] =
        (Sums){_mm512_reduce_add_ps(sums), _mm512_reduce_add_ps(squares) + rows * branch->square_bias};
}

static void go_up(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const int from = piece * ROWS, width = padded(work->branch->narrow);
    const Rows rows = {.values = work->h + (ptrdiff_t)from * width, .stride = width * sizeof *work->h};
    multiply(&work->branch->up, &rows, end_of(work, piece) - from,
             &(Result){.values = work->x + from * work->stride,
                       .stride = work->stride,
                       .finish = ADD_GATED,
                       .gains = work->up_gains,
                       .offsets = work->up_offsets});
}

static void add_branch(Work* work, Team* team) {
    const Branch* branch = work->branch;
    const int count = work->count, parts = pieces(count), dilation = work->dilation;
    const size_t beyond = dilation * branch->channels * sizeof *work->integers;
    memset(work->integers, 0, beyond);
    memset(work->integers + (ptrdiff_t)(count + dilation) * branch->channels, 0, beyond);
    for (int i = 0; i < dilation; i++) work->gains[i] = work->gains[count + dilation + i] = 0;
    share(team, quantise_piece, work, parts);
    share(team, go_down, work, parts);
    work->moments = moments(work, (double)branch->narrow * count);
    share(team, activate, work, parts);
    Moments wide = moments(work, count);
    wide.mean += branch->mean_bias;
    float gains[2 * MOST_CHANNELS], offsets[2 * MOST_CHANNELS];
    for (int n = 0; n < 2 * branch->channels; n++) {
        gains[n] = (float)(branch->up_gains[n] / wide.deviation);
        offsets[n] = (float)((branch->up.offsets[n] - wide.mean) * gains[n]) + branch->up_offsets[n];
    }
    work->up_gains = gains, work->up_offsets = offsets;
    share(team, go_up, work, parts);
}

void add_residual(const Residual* residual, float* x, ptrdiff_t stride, int count, Room* room, Team* team) {
    const size_t mark = room->used;
    const Branch* last = &residual->branches[DILATIONS - 1];
    Work work = {.x = x, .stride = stride, .count = count};
    work.integers = take(room, (size_t)(count + 2 * DILATIONS) * last->channels * sizeof *work.integers);
    work.gains = take_floats(room, count + 2 * DILATIONS);
    work.h = take_floats(room, (size_t)count * padded(last->narrow));
    work.sums = take(room, pieces(count) * sizeof *work.sums);
    if (!measuring(room))
        for (int k = 0; k < DILATIONS; k++) {
            work.branch = &residual->branches[k], work.dilation = k + 1;
            add_branch(&work, team);
        }
    room->used = mark;
}
