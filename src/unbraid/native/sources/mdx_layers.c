#include "mdx_layers.h"

#include <string.h>

#include "float_products.h"

#define GROUP_ROWS 32      // positions that stay in the cache for all panels
#define SPECTRUM_BLOCK 16  // bins of a task that reads or writes a spectrum

void pack_down(const float* weights, int inputs, int outputs, float* packed) {
    const int width = panel_vectors(outputs) * LANES;
    for (int n = 0; n < outputs; n++)
        for (int c = 0; c < inputs; c++)
            for (int i = 0; i < 4; i++)  // frame and bin: i / 2, i % 2
                packed[((ptrdiff_t)(n / width) * 4 * inputs + i * inputs + c) * width + n % width] =
                    weights[((ptrdiff_t)n * inputs + c) * 4 + i];
}

void pack_up(const float* weights, int inputs, int outputs, float* packed) {
    const int width = panel_vectors(outputs) * LANES;
    for (int i = 0; i < 4; i++)
        for (int n = 0; n < outputs; n++)
            for (int c = 0; c < inputs; c++)
                packed[((ptrdiff_t)(i * outputs + n) / width * inputs + c) * width + n % width] =
                    weights[((ptrdiff_t)c * outputs + n) * 4 + i];
}

typedef struct {
    const Resampling* layer;
    const float* x;
    int bins;
    float* out;
} ResamplingWork;

// Compute tiles of `rows` positions, and return the first position that no tile covers.
INLINE int downsample_rows(const ResamplingWork* work, const float* x, float* out, int row, int end, int from,
                           const int rows, const int vectors) {
    const int inputs = work->layer->inputs, outputs = work->layer->outputs, width = vectors * LANES;
    const float *weights = work->layer->weights + (ptrdiff_t)from * 4 * inputs,
                *offsets = work->layer->offsets + from;
    for (; row + rows <= end; row += rows) {
        Sums sums;
        clear_sums(sums, rows, vectors);
        for (int i = 0; i < 2; i++)
            add_products(x + ((ptrdiff_t)i * work->bins + 2 * row) * inputs, 2 * inputs, 1,
                         weights + (ptrdiff_t)i * 2 * inputs * width, width, 2 * inputs, rows, vectors, sums);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                store(out + (ptrdiff_t)(row + r) * outputs + from + v * LANES,
                      larger(splat(0), sums[r][v] + load(offsets + v * LANES)));
    }
    return row;
}

INLINE void downsample_panels(const ResamplingWork* work, int frame, const int vectors) {
    const int outputs = work->layer->outputs, count = work->bins / 2;
    const float* x = work->x + (ptrdiff_t)2 * frame * work->bins * work->layer->inputs;
    float* out = work->out + (ptrdiff_t)frame * count * outputs;
    for (int group = 0; group < count; group += GROUP_ROWS)
        for (int from = 0; from < outputs; from += vectors * LANES) {
            const int end = min_int(group + GROUP_ROWS, count);
            const int row = downsample_rows(work, x, out, group, end, from, PRODUCT_ROWS, vectors);
            downsample_rows(work, x, out, row, end, from, 1, vectors);
        }
}

static void downsample_frame(const void* context, int frame, Arena* scratch) {
    (void)scratch;
    const ResamplingWork* work = context;
    const int vectors = panel_vectors(work->layer->outputs);
    if (vectors == 3)
        downsample_panels(work, frame, 3);
    else if (vectors == 2)
        downsample_panels(work, frame, 2);
    else
        downsample_panels(work, frame, 1);
}

void downsample(const Resampling* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool) {
    parallel_for(pool, downsample_frame, &(ResamplingWork){layer, x, bins, out}, frames / 2);
}

// As downsample_rows, for outputs `from` of the 4 * outputs of each position: frame and bin, then channel.
INLINE int upsample_rows(const ResamplingWork* work, const float* x, float* out, int row, int end, int from,
                         const int rows, const int vectors) {
    const int inputs = work->layer->inputs, outputs = work->layer->outputs, width = vectors * LANES;
    const float* weights = work->layer->weights + (ptrdiff_t)from * inputs;
    const float* offsets = work->layer->offsets + from % outputs;
    const ptrdiff_t frame = (ptrdiff_t)2 * work->bins * outputs;
    float* to = out + from / (2 * outputs) * frame + from % (2 * outputs);
    for (; row + rows <= end; row += rows) {
        Sums sums;
        clear_sums(sums, rows, vectors);
        add_products(x + (ptrdiff_t)row * inputs, inputs, 1, weights, width, inputs, rows, vectors, sums);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) {
                float* at = to + (ptrdiff_t)(row + r) * 2 * outputs + v * LANES;
                store(at, load(at) * larger(splat(0), sums[r][v] + load(offsets + v * LANES)));
            }
    }
    return row;
}

INLINE void upsample_panels(const ResamplingWork* work, int frame, const int vectors) {
    const int outputs = work->layer->outputs, count = work->bins;
    const float* x = work->x + (ptrdiff_t)frame * count * work->layer->inputs;
    float* out = work->out + (ptrdiff_t)frame * 4 * count * outputs;
    for (int group = 0; group < count; group += GROUP_ROWS)
        for (int from = 0; from < 4 * outputs; from += vectors * LANES) {
            const int end = min_int(group + GROUP_ROWS, count);
            const int row = upsample_rows(work, x, out, group, end, from, PRODUCT_ROWS, vectors);
            upsample_rows(work, x, out, row, end, from, 1, vectors);
        }
}

static void upsample_frame(const void* context, int frame, Arena* scratch) {
    (void)scratch;
    const ResamplingWork* work = context;
    const int vectors = panel_vectors(work->layer->outputs);
    if (vectors == 3)
        upsample_panels(work, frame, 3);
    else if (vectors == 2)
        upsample_panels(work, frame, 2);
    else
        upsample_panels(work, frame, 1);
}

void upsample(const Resampling* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool) {
    parallel_for(pool, upsample_frame, &(ResamplingWork){layer, x, bins, out}, frames);
}

size_t packed_bins(int inputs, int outputs) { return (size_t)inputs * round_up(outputs, PRODUCT_ROWS); }

// (groups of outputs, inputs, outputs of a group), with zeros after the last output.
void pack_bins(const float* weights, int inputs, int outputs, float* packed) {
    memset(packed, 0, packed_bins(inputs, outputs) * sizeof *packed);
    for (int k = 0; k < inputs; k++)
        for (int n = 0; n < outputs; n++)
            packed[((ptrdiff_t)(n / PRODUCT_ROWS) * inputs + k) * PRODUCT_ROWS + n % PRODUCT_ROWS] =
                weights[(ptrdiff_t)k * outputs + n];
}

size_t bin_layers_scratch(int narrow, int channels) { return (size_t)narrow * channels * sizeof(float); }

// x (inputs, channels) -> max(0, gain * product + offset): (outputs, channels), which is stored, or added.
INLINE void multiply_bins(const float* weights, int inputs, int outputs, const float* x, int channels,
                          const float* gains, const float* offsets, float* out, const bool add, const int vectors) {
    for (int from = 0; from < channels; from += vectors * LANES)
        for (int n = 0; n < outputs; n += PRODUCT_ROWS) {
            Sums sums;
            clear_sums(sums, PRODUCT_ROWS, vectors);
            add_products(weights + (ptrdiff_t)n * inputs, 1, PRODUCT_ROWS, x + from, channels, inputs, PRODUCT_ROWS,
                         vectors, sums);
            const int rows = min_int(PRODUCT_ROWS, outputs - n);
#pragma GCC unroll 8
            for (int r = 0; r < PRODUCT_ROWS; r++)
#pragma GCC unroll 3
                for (int v = 0; v < vectors; v++) {
                    const int c = from + v * LANES;
                    const Floats y = larger(splat(0), multiply_add(sums[r][v], load(gains + c), load(offsets + c)));
                    float* at = out + (ptrdiff_t)(n + r) * channels + c;
                    if (r < rows) store(at, y + (add ? load(at) : splat(0)));
                }
        }
}

typedef struct {
    const BinLayers* layers;
    float* x;
} BinsWork;

INLINE void add_bin_layers_to(const BinLayers* layers, float* x, float* narrow, const int vectors) {
    multiply_bins(layers->narrowing, layers->bins, layers->narrow, x, layers->channels, layers->gains[0],
                  layers->offsets[0], narrow, false, vectors);
    multiply_bins(layers->widening, layers->narrow, layers->bins, narrow, layers->channels, layers->gains[1],
                  layers->offsets[1], x, true, vectors);
}

static void bins_of_frame(const void* context, int frame, Arena* scratch) {
    const BinsWork* work = context;
    const BinLayers* layers = work->layers;
    float *x = work->x + (ptrdiff_t)frame * layers->bins * layers->channels, *narrow = (float*)scratch->memory;
    const int vectors = panel_vectors(layers->channels);
    if (vectors == 3)
        add_bin_layers_to(layers, x, narrow, 3);
    else if (vectors == 2)
        add_bin_layers_to(layers, x, narrow, 2);
    else
        add_bin_layers_to(layers, x, narrow, 1);
}

void add_bin_layers(const BinLayers* layers, float* x, int frames, ThreadPool* pool) {
    parallel_for(pool, bins_of_frame, &(BinsWork){layers, x}, frames);
}

typedef struct {
    const SpectrumLayer* layer;
    const float* from;
    float* to;
} SpectrumWork;

// Offset of a bin's frames in a spectrum.
static ptrdiff_t bin_offset(const SpectrumLayer* layer, int channel, int bin) {
    return ((ptrdiff_t)channel * layer->all_bins + bin) * layer->frames * 2;
}

static void read_block(const void* context, int index, Arena* scratch) {
    (void)scratch;
    const SpectrumWork* work = context;
    const SpectrumLayer* layer = work->layer;
    const int channels = layer->channels, first = index * SPECTRUM_BLOCK;
    const int end = min_int(first + SPECTRUM_BLOCK, layer->bins);
    for (ptrdiff_t f = 0; f < layer->frames; f++)
        for (int b = first; b < end; b++) {
            Floats parts[PARTS];
            for (int p = 0; p < PARTS; p++)
                parts[p] = splat(b < layer->first_bin ? 0 : work->from[bin_offset(layer, p / 2, b) + f * 2 + p % 2]);
            float* to = work->to + (f * layer->bins + b) * channels;
            for (int c = 0; c < channels; c += LANES) {
                Floats sum = load(layer->offsets + c);
                for (int p = 0; p < PARTS; p++)
                    sum = multiply_add(parts[p], load(layer->weights + p * channels + c), sum);
                store(to + c, larger(splat(0), sum));
            }
        }
}

void read_spectrum(const SpectrumLayer* layer, const float* spectrum, float* out, ThreadPool* pool) {
    parallel_for(pool, read_block, &(SpectrumWork){layer, spectrum, out}, ceil_div(layer->bins, SPECTRUM_BLOCK));
}

static void write_block(const void* context, int index, Arena* scratch) {
    (void)scratch;
    const SpectrumWork* work = context;
    const SpectrumLayer* layer = work->layer;
    const int channels = layer->channels, first = index * SPECTRUM_BLOCK;
    const int end = min_int(first + SPECTRUM_BLOCK, layer->all_bins);
    for (ptrdiff_t f = 0; f < layer->frames; f++)
        for (int b = first; b < end; b++) {
            Floats sums[PARTS] = {splat(0), splat(0), splat(0), splat(0)};
            const float* x = work->from + (f * layer->bins + b) * channels;
            if (b < layer->bins)
                for (int c = 0; c < channels; c += LANES)
                    for (int p = 0; p < PARTS; p++)
                        sums[p] = multiply_add(load(x + c), load(layer->weights + p * channels + c), sums[p]);
            for (int p = 0; p < PARTS; p++)
                work->to[bin_offset(layer, p / 2, b) + f * 2 + p % 2] =
                    b < layer->bins ? sum_of_lanes(sums[p]) + layer->offsets[p] : 0;
        }
}

void write_spectrum(const SpectrumLayer* layer, const float* x, float* spectrum, ThreadPool* pool) {
    parallel_for(pool, write_block, &(SpectrumWork){layer, x, spectrum}, ceil_div(layer->all_bins, SPECTRUM_BLOCK));
}
