// The wide tensor between the last convolution and its gate is by far the largest here. Its mean and variance are found
// without it. Let h be a narrow vector and y = W h + b its wide one, of n values. Over the values of y, the mean is
// w'h + mean(b) with w the mean row of W, and the mean square h'Gh + 2 (W'b / n)'h + |b|^2 / n with G = W'W / n: all of
// them of narrow vectors alone. With these, mean M and deviation s of all y, gain g and offset o of the normalisation,
// what is gated is (g / s) (W h) + g (b - M) / s + o, which is W h with other gains and offsets.

#include "residual.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define CHUNK 1024  // rows that are summed up as floats

static int padded(int narrow) { return (narrow + LANES - 1) / LANES * LANES; }

static Branch make_branch(Builder *builder, const char *prefix, int channels) {
    const int narrow = channels / 8, wide = 2 * channels, width = padded(narrow);
    Branch branch = {.channels = channels, .narrow = narrow};
    branch.down = convolution(builder, name_of("%s0.", prefix).text, narrow, channels, 3, (Kind){.narrow = narrow <= LANES, .block = SHORT_BLOCK});
    branch.down_gains = floats_of(builder, prefix, "1.weight", narrow);
    branch.down_offsets = floats_of(builder, prefix, "1.bias", narrow);
    branch.up = pointwise(builder, name_of("%s3.", prefix).text, wide, narrow, (Kind){.gated = true, .floats = true});
    float *up_gains = take_floats(&builder->room, wide), *up_offsets = take_floats(&builder->room, wide);
    float *gram = take_floats(&builder->room, narrow * width);
    float *mean_weights = take_floats(&builder->room, width), *cross = take_floats(&builder->room, width);
    const uint16_t *w = find(builder, prefix, "3.weight"), *b = find(builder, prefix, "3.bias");
    const uint16_t *gains = find(builder, prefix, "4.weight"), *offsets = find(builder, prefix, "4.bias");
    const uint16_t *scale = find(builder, prefix, "6.scale");
    if (!gram || builder->missing) return branch;
    for (int place = 0; place < wide; place++) {
        const int channel = place / (2 * LANES) * LANES + place % LANES;
        const bool gate = place % (2 * LANES) >= LANES;
        const float by = gate ? 1 : half_to_float(scale[channel]);
        up_gains[place] = by * half_to_float(gains[channel + gate * channels]);
        up_offsets[place] = by * half_to_float(offsets[channel + gate * channels]);
    }
    double bias = 0, square = 0;
    for (int c = 0; c < wide; c++) bias += half_to_float(b[c]), square += pow(half_to_float(b[c]), 2);
    memset(gram, 0, narrow * width * sizeof(float));
    memset(mean_weights, 0, width * sizeof(float)), memset(cross, 0, width * sizeof(float));
    for (int i = 0; i < narrow; i++) {
        double mean = 0, product = 0;
        for (int c = 0; c < wide; c++) {
            const float weight = half_to_float(w[c * narrow + i]);
            mean += weight, product += weight * half_to_float(b[c]);
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
    branch.mean_bias = (float)(bias / wide), branch.square_bias = (float)(square / wide);
    return branch;
}

Residual make_residual(Builder *builder, const char *prefix, int channels) {
    Residual residual;
    for (int k = 0; k < DILATIONS; k++)
        residual.branches[k] = make_branch(builder, name_of("%sdconv.layers.%d.", prefix, k).text, channels);
    return residual;
}

// The narrow rows before their normalisation, (count, padded). `integers` and `gains` have room for `dilation` more rows
// on either side.
static void go_down(const Branch *branch, const float *x, ptrdiff_t stride, int count, int dilation, int16_t *integers,
                    float *gains, float *h) {
    const int channels = branch->channels, rows = count + 2 * dilation;
    for (int t = 0; t < rows; t++) {
        int16_t *row = integers + (ptrdiff_t)t * channels;
        if (t < dilation || t >= count + dilation) {
            memset(row, 0, channels * sizeof *row);
            gains[t] = 0;
        } else
            gains[t] = quantise_row(x + (t - dilation) * stride, channels, SHORT_BLOCK, row);
    }
    const ptrdiff_t bytes = channels * sizeof *integers;
    multiply(&branch->down, &(Rows){integers, bytes, 3, dilation * bytes, gains, 1, dilation}, count,
             &(Result){.values = h, .stride = padded(branch->narrow), .finish = STORE});
}

typedef struct {
    double mean, deviation;
} Moments;

static Moments moments(double sum, double square, double count) {
    const double mean = sum / count, variance = square / count - mean * mean;
    return (Moments){mean, sqrt((variance > 0 ? variance : variance < 0 ? 0 : variance) + EPSILON)};
}

static Moments moments_of(const float *h, int narrow, int count) {
    const int width = padded(narrow);
    double sum = 0, square = 0;
    for (int from = 0; from < count; from += CHUNK) {
        Floats sums = all(0), squares = all(0);
        for (int t = from; t < count && t < from + CHUNK; t++)
            for (int v = 0; v < narrow; v += LANES) {
                const __mmask16 mask = first(narrow - v < LANES ? narrow - v : LANES);
                Floats values = _mm512_maskz_loadu_ps(mask, h + (ptrdiff_t)t * width + v);
                sums = _mm512_add_ps(sums, values), squares = _mm512_fmadd_ps(values, values, squares);
            }
        sum += _mm512_reduce_add_ps(sums), square += _mm512_reduce_add_ps(squares);
    }
    return moments(sum, square, (double)narrow * count);
}

// Normalise and activate the narrow rows in place; returns the moments of the wide ones.
static Moments activate(const Branch *branch, float *h, int count) {
    const int narrow = branch->narrow, width = padded(narrow), vectors = width / LANES;
    const Moments before = moments_of(h, narrow, count);
    Floats gains[MOST_NARROW / LANES], offsets[MOST_NARROW / LANES];
    for (int v = 0; v < vectors; v++) {
        gains[v] = _mm512_mul_ps(load(branch->down_gains + v * LANES), all((float)(1 / before.deviation)));
        offsets[v] = _mm512_fnmadd_ps(all((float)before.mean), gains[v], load(branch->down_offsets + v * LANES));
    }
    double sum = 0, square = 0;
    for (int from = 0; from < count; from += CHUNK) {
        const int end = from + CHUNK < count ? from + CHUNK : count;
        Floats sums = all(0), squares = all(0);
        for (int t = from; t < end; t++) {
            float *row = h + (ptrdiff_t)t * width;
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
        sum += _mm512_reduce_add_ps(sums), square += _mm512_reduce_add_ps(squares);
    }
    return moments(sum + (double)count * branch->mean_bias, square + (double)count * branch->square_bias, count);
}

static void go_up(const Branch *branch, const float *h, int count, Moments wide, float *x, ptrdiff_t stride) {
    float gains[2 * MOST_CHANNELS], offsets[2 * MOST_CHANNELS];
    for (int n = 0; n < 2 * branch->channels; n++) {
        gains[n] = (float)(branch->up_gains[n] / wide.deviation);
        offsets[n] = (float)((branch->up.offsets[n] - wide.mean) * gains[n]) + branch->up_offsets[n];
    }
    const Rows rows = {.values = h, .stride = padded(branch->narrow) * sizeof(float), .segments = 1};
    multiply(&branch->up, &rows, count,
             &(Result){.values = x, .stride = stride, .finish = ADD_GATED, .gains = gains, .offsets = offsets});
}

void add_residual(const Residual *residual, float *x, ptrdiff_t stride, int count, Room *room) {
    const size_t mark = room->used;
    const Branch *last = &residual->branches[DILATIONS - 1];
    int16_t *integers = take(room, (size_t)(count + 2 * DILATIONS) * last->channels * sizeof *integers);
    float *gains = take_floats(room, count + 2 * DILATIONS), *h = take_floats(room, (size_t)count * padded(last->narrow));
    if (!measuring(room))
        for (int k = 0; k < DILATIONS; k++) {
            const Branch *branch = &residual->branches[k];
            go_down(branch, x, stride, count, k + 1, integers, gains, h);
            go_up(branch, h, count, activate(branch, h, count), x, stride);
        }
    room->used = mark;
}
