// The wide tensor between the last convolution and its gate is by far the largest here. Its mean and variance are
// found without it. Let h be the narrow vectors, of mean m over time, and y = W h + b the wide ones, of n values.
// Around the means W m + b of its channels, y has the mean square (h - m)'G (h - m), averaged over time, with G = W'W
// / n: of narrow vectors alone; the variance of those means is added. With the mean M and the deviation s of all y,
// gain g and offset o of the normalisation, what is gated is (g / s) (W h) + g (b - M) / s + o, which is W h with
// other gains and offsets.

#include "residual.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define ROWS 1008  // that are worked on at once
#define FEW 32     // rows that are summed up as floats: where many are alike, more would lose what tells others apart

static int padded(int narrow) { return rounded_up(narrow, LANES); }

static Branch make_branch(Builder* builder, const char* prefix, int channels, bool floats) {
    const int narrow = channels / 8, wide = 2 * channels, width = padded(narrow);
    Branch branch = {.channels = channels, .narrow = narrow};
    branch.down = convolution(builder, name_of("%s0.", prefix).text, narrow, channels, 3,
                              (Kind){.narrow = narrow <= LANES, .floats = floats, .block = SHORT_BLOCK, .parts = 3});
    branch.down_gains = floats_of(builder, prefix, "1.weight", narrow);
    branch.down_offsets = floats_of(builder, prefix, "1.bias", narrow);
    branch.up = pointwise(builder, name_of("%s3.", prefix).text, wide, narrow, (Kind){.gated = true, .floats = true});
    float *up_gains = take_floats(&builder->room, wide), *up_offsets = take_floats(&builder->room, wide);
    float* gram = take_floats(&builder->room, narrow * width);
    const uint16_t* w = find(builder, prefix, "3.weight");
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
    for (int k = 0; k < DILATIONS; k++)
        residual.branches[k] = make_branch(builder, name_of("%sdconv.layers.%d.", prefix, k).text, channels, floats);
    return residual;
}

typedef struct {
    double mean, deviation;
} Moments;

// A branch at work on `count` rows of x. Sums are kept for each piece, so that they are added up in one order whoever
// computes them.
typedef struct {
    const Branch* branch;
    float *x, *h;  // h: (count, padded)
    ptrdiff_t stride;
    int count, dilation;
    int16_t* integers;  // with `dilation` more rows on either side, as gains
    float* gains;
    double (*sums)[MOST_NARROW];  // of each piece: by narrow channel, or what is called for
    Moments narrow;
    float means[MOST_NARROW];  // of the narrow channels
    const float *up_gains, *up_offsets;
} Work;

static int pieces(int count) { return pieces_of(count, ROWS); }

static int end_of(const Work* work, int piece) { return least((piece + 1) * ROWS, work->count); }

static __mmask16 lanes_from(int v, int narrow) { return first(least(narrow - v, LANES)); }

static void quantise_piece(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const int channels = work->branch->channels;
    const int from = piece * ROWS, place = from + work->dilation;
    quantise_rows(work->x + from * work->stride, work->stride, end_of(work, piece) - from, channels, SHORT_BLOCK,
                  work->integers + (ptrdiff_t)place * channels, work->gains + place);
}

// Sums of the narrow channels of a piece.
static void sum_up(const Work* work, int piece) {
    const int narrow = work->branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double* sums = work->sums[piece];
    for (int i = 0; i < narrow; i++) sums[i] = 0;
    for (int from = piece * ROWS; from < end; from += FEW)
        for (int v = 0; v < narrow; v += LANES) {
            Floats few = all(0);
            for (int t = from; t < least(from + FEW, end); t++)
                few = _mm512_add_ps(few,
                                    _mm512_maskz_loadu_ps(lanes_from(v, narrow), work->h + (ptrdiff_t)t * width + v));
            float values[LANES];
            store(values, few);
            for (int i = v; i < least(v + LANES, narrow); i++) sums[i] += values[i - v];
        }
}

// The narrow rows before their normalisation.
static void go_down(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const Branch* branch = work->branch;
    const int from = piece * ROWS, width = padded(branch->narrow);
    const ptrdiff_t bytes = branch->channels * sizeof *work->integers, x_bytes = work->stride * sizeof *work->x;
    const Rows floats = {
        .values = work->x + (from - work->dilation) * work->stride,
        .stride = x_bytes,
        .apart = work->dilation * x_bytes,
    };
    const Rows integers = {
        .values = work->integers + (ptrdiff_t)from * branch->channels,
        .stride = bytes,
        .apart = work->dilation * bytes,
        .gains = work->gains + from,
        .gains_stride = 1,
        .gains_apart = work->dilation,
    };
    multiply(&branch->down, branch->down.floats ? &floats : &integers, end_of(work, piece) - from,
             &(Result){.values = work->h + (ptrdiff_t)from * width, .stride = width, .finish = STORE});
    sum_up(work, piece);
}

// The sum of squares around the mean of all narrow values.
static void spread_narrow(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const int narrow = work->branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double square = 0;
    for (int from = piece * ROWS; from < end; from += FEW) {
        Floats few = all(0);
        for (int t = from; t < least(from + FEW, end); t++)
            for (int v = 0; v < narrow; v += LANES) {
                const __mmask16 mask = lanes_from(v, narrow);
                Floats values = _mm512_maskz_loadu_ps(mask, work->h + (ptrdiff_t)t * width + v);
                values = _mm512_maskz_sub_ps(mask, values, all((float)work->narrow.mean));
                few = _mm512_fmadd_ps(values, values, few);
            }
        square += _mm512_reduce_add_ps(few);
    }
    work->sums[piece][0] = square;
}

// Normalises and activates the narrow rows in place.
static void activate(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const Branch* branch = work->branch;
    const int narrow = branch->narrow, width = padded(narrow);
    for (int v = 0; v < narrow; v += LANES) {
        const Floats gains = _mm512_mul_ps(load(branch->down_gains + v), all((float)(1 / work->narrow.deviation)));
        const Floats mean = all((float)work->narrow.mean), offsets = load(branch->down_offsets + v);
        for (int t = piece * ROWS; t < end_of(work, piece); t++) {
            float* values = work->h + (ptrdiff_t)t * width + v;
            Floats centred = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes_from(v, narrow), values), mean);
            store(values, gelu(_mm512_fmadd_ps(centred, gains, offsets)));
        }
    }
    sum_up(work, piece);
}

// The sum of (h - m)'G (h - m).
static void spread_wide(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const Branch* branch = work->branch;
    const int narrow = branch->narrow, width = padded(narrow), end = end_of(work, piece);
    double square = 0;
    for (int from = piece * ROWS; from < end; from += FEW) {
        Floats few = all(0);
        for (int t = from; t < least(from + FEW, end); t++) {
            const float* row = work->h + (ptrdiff_t)t * width;
            float centred[MOST_NARROW];
            for (int v = 0; v < width; v += LANES)
                store(centred + v, _mm512_sub_ps(load(row + v), load(work->means + v)));
            for (int v = 0; v < width; v += LANES) {
                Floats products = all(0);
                for (int i = 0; i < narrow; i++)
                    products = _mm512_fmadd_ps(all(centred[i]), load(branch->gram + i * width + v), products);
                few = _mm512_fmadd_ps(load(centred + v), products, few);
            }
        }
        square += _mm512_reduce_add_ps(few);
    }
    work->sums[piece][0] = square;
}

static void go_up(const void* context, int piece, Room* scratch) {
    (void)scratch;
    const Work* work = context;
    const int from = piece * ROWS, width = padded(work->branch->narrow);
    const Rows rows = {.values = work->h + (ptrdiff_t)from * width, .stride = width * sizeof *work->h};
    const Result result = {
        .values = work->x + from * work->stride,
        .stride = work->stride,
        .finish = ADD_GATED,
        .gains = work->up_gains,
        .offsets = work->up_offsets,
    };
    multiply(&work->branch->up, &rows, end_of(work, piece) - from, &result);
}

// The sum that all pieces have at this place.
static double sum_at(const Work* work, int place) {
    double sum = 0;
    for (int i = 0; i < pieces(work->count); i++) sum += work->sums[i][place];
    return sum;
}

// Of the wide rows, whose values around the means of their channels have this mean square.
static Moments wide_moments(const Work* work, double around) {
    const Branch* branch = work->branch;
    const int wide = 2 * branch->channels, narrow = branch->narrow, width = 2 * LANES;
    double means[2 * MOST_CHANNELS], middle = 0, between = 0;
    for (int n = 0; n < wide; n++) {
        const float* weights = (const float*)branch->up.values + (ptrdiff_t)(n / width) * width * narrow + n % width;
        means[n] = branch->up.offsets[n];
        for (int i = 0; i < narrow; i++) means[n] += (double)weights[i * width] * work->means[i];
        middle += means[n] / wide;
    }
    for (int n = 0; n < wide; n++) between += (means[n] - middle) * (means[n] - middle) / wide;
    return (Moments){middle, sqrt(around + between + EPSILON)};
}

static void add_branch(Work* work, Team* team) {
    const Branch* branch = work->branch;
    const int count = work->count, parts = pieces(count), dilation = work->dilation, narrow = branch->narrow;
    if (!branch->down.floats) {
        const size_t beyond = dilation * branch->channels * sizeof *work->integers;
        memset(work->integers, 0, beyond);
        memset(work->integers + (ptrdiff_t)(count + dilation) * branch->channels, 0, beyond);
        for (int i = 0; i < dilation; i++) work->gains[i] = work->gains[count + dilation + i] = 0;
        share(team, quantise_piece, work, parts);
    }
    share(team, go_down, work, parts);
    const double values = (double)narrow * count;
    work->narrow.mean = 0;
    for (int i = 0; i < narrow; i++) work->narrow.mean += sum_at(work, i) / values;
    share(team, spread_narrow, work, parts);
    work->narrow.deviation = sqrt(sum_at(work, 0) / values + EPSILON);
    share(team, activate, work, parts);
    for (int i = 0; i < padded(narrow); i++) work->means[i] = i < narrow ? (float)(sum_at(work, i) / count) : 0;
    share(team, spread_wide, work, parts);
    const Moments wide = wide_moments(work, sum_at(work, 0) / count);
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
    if (!last->down.floats) {
        work.integers = take(room, (size_t)(count + 2 * DILATIONS) * last->channels * sizeof *work.integers);
        work.gains = take_floats(room, count + 2 * DILATIONS);
    }
    work.h = take_floats(room, (size_t)count * padded(last->narrow));
    work.sums = take(room, pieces(count) * sizeof *work.sums);
    if (!measuring(room))
        for (int k = 0; k < DILATIONS; k++) {
            work.branch = &residual->branches[k], work.dilation = k + 1;
            add_branch(&work, team);
        }
    room->used = mark;
}
