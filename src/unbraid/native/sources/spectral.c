#include "spectral.h"

#include <string.h>

#define KERNEL 8            // input frequencies that one output frequency reads
#define STRIP_CHANNELS 384  // frequencies times channels of a strip, so that it fits into the cache

static int strip_width(int channels) { return channels < STRIP_CHANNELS ? STRIP_CHANNELS / channels : 1; }

static int strips(int positions, int channels) { return ceil_div(positions, strip_width(channels)); }

// Convolutions use floats: they take a small part of the time, and their errors would have the largest effect.
SpectralEncoder make_spectral_encoder(Builder* builder, int level, int channels_in, int channels, int frequencies) {
    const Name prefix = format_name("encoder.%d.", level);
    return (SpectralEncoder){
        .channels_in = channels_in,
        .channels = channels,
        .frequencies = frequencies,
        .conv = convolution(builder, format_name("%sconv.", prefix.text).text, channels, channels_in, KERNEL,
                            (MatrixOptions){.floats = true}),
        .rewrite = pointwise(builder, format_name("%srewrite.", prefix.text).text, 2 * channels, channels,
                             (MatrixOptions){.gated = true, .floats = true}),
        .residual = make_residual(builder, prefix.text, channels, false),
    };
}

typedef struct {
    const SpectralEncoder* layer;
    const float* x;
    int frames;
    float* out;
} EncoderWork;

// Input of one output frequency, (frames, KERNEL, channels_in). If it reaches beyond the spectrogram, it is copied to
// `edge` and padded with zeros.
static Rows kernel_input(const EncoderWork* work, int frequency, float* edge) {
    const int in = work->layer->channels_in, available = STRIDE * work->layer->frequencies;
    const int begin = STRIDE * frequency - PADDING, end = begin + KERNEL;
    if (begin >= 0 && end <= available)
        return (Rows){.values = work->x + begin * in, .stride = available * in * sizeof *work->x};
    const int from = begin < 0 ? 0 : begin, to = min_int(end, available);
    memset(edge, 0, (size_t)work->frames * KERNEL * in * sizeof *edge);
    for (ptrdiff_t t = 0; t < work->frames; t++)
        memcpy(edge + (t * KERNEL + from - begin) * in, work->x + (t * available + from) * in,
               (to - from) * in * sizeof *edge);
    return (Rows){.values = edge, .stride = KERNEL * in * sizeof *edge};
}

typedef struct {
    float *strip, *edge;  // (frames, width, channels); input of a frequency at the edge, see kernel_input
} EncoderMemory;

// The caller restores the arena.
static EncoderMemory encoder_memory(Arena* scratch, const SpectralEncoder* layer, int frames, int width) {
    EncoderMemory memory = {.strip = arena_floats(scratch, (size_t)frames * width * layer->channels)};
    memory.edge = arena_floats(scratch, (size_t)frames * KERNEL * layer->channels_in);
    return memory;
}

static void encode_strip(const void* context, int index, Arena* scratch) {
    const size_t mark = scratch->used;
    const EncoderWork* work = context;
    const SpectralEncoder* layer = work->layer;
    const int channels = layer->channels, frames = work->frames, from = index * strip_width(channels);
    const int width = min_int(strip_width(channels), layer->frequencies - from);
    const EncoderMemory memory = encoder_memory(scratch, layer, frames, width);
    float* strip = memory.strip;
    const ptrdiff_t stride = width * channels;
    for (int f = 0; f < width; f++) {
        const Rows rows = kernel_input(work, from + f, memory.edge);
        multiply(&layer->conv, &rows, frames,
                 &(Result){.values = strip + f * channels, .stride = stride, .epilogue = GELU});
    }
    for (int f = 0; f < width; f++)
        add_residual(&layer->residual, strip + f * channels, stride, frames, scratch, NULL);
    for (int f = 0; f < width; f++) {
        const Result result = {
            .values = work->out + (from + f) * channels,
            .stride = layer->frequencies * channels,
            .epilogue = GATE,
            .extra = layer->embedding ? layer->embedding + (from + f) * channels : NULL,
        };
        multiply(&layer->rewrite, &(Rows){.values = strip + f * channels, .stride = stride * sizeof *strip}, frames,
                 &result);
    }
    scratch->used = mark;
}

static void plan_encoder(Arena* scratch, const SpectralEncoder* layer, int frames) {
    const size_t mark = scratch->used;
    encoder_memory(scratch, layer, frames, min_int(strip_width(layer->channels), layer->frequencies));
    residual_memory(scratch, &layer->residual, frames);
    scratch->used = mark;
}

void encode_spectral(const SpectralEncoder* layer, const float* x, int frames, float* out, ThreadPool* pool) {
    plan_encoder(&pool->scratch[0], layer, frames);
    parallel_for(pool, encode_strip, &(EncoderWork){.layer = layer, .x = x, .frames = frames, .out = out},
                 strips(layer->frequencies, layer->channels));
}

SpectralDecoder make_spectral_decoder(Builder* builder, int level, int channels, int channels_out, int frequencies,
                                      bool last) {
    const Name prefix = format_name("decoder.%d.", level);
    // The kernel covers three frames (parts) of three frequencies (adjacent in memory).
    const WeightLayout layout = {.weights = (int64_t)2 * channels * channels * 9,
                                 .biases = 2 * channels,
                                 .outputs = 2 * channels,
                                 .depth = 9 * channels,
                                 .n0 = 2 * channels,
                                 .n0_step = 9 * channels,
                                 .k0 = channels,
                                 .k0_step = 9,
                                 .k1 = 3,
                                 .k1_step = 3,
                                 .k2_step = 1};
    return (SpectralDecoder){
        .channels = channels,
        .channels_out = channels_out,
        .frequencies = frequencies,
        .rewrite = matrix_from(builder, prefix.text, "rewrite.weight", "rewrite.bias", 0, &layout,
                               (MatrixOptions){.gated = true, .block = SHORT_BLOCK, .parts = 3}),
        .conv = transposed(builder, format_name("%sconv_tr.", prefix.text).text, channels, channels_out,
                           (MatrixOptions){.floats = last, .block = SHORT_BLOCK}),
        .residual = make_residual(builder, prefix.text, channels, false),
        .last = last,
    };
}

typedef struct {
    const SpectralDecoder* layer;
    const float *x, *skip;
    ptrdiff_t stride;
    int frames;
    float* y;  // input of the transposed convolution, (frames, frequencies + 2, channels), with zeros at both ends
    float* out;
} DecoderWork;

typedef struct {
    int16_t* integers;  // quantised rows: (frames + 2, columns, channels), with rows of zeros at both ends
    float *sums, *gains;
} StripMemory;

// The caller restores the arena.
static StripMemory strip_memory(Arena* scratch, int frames, int row) {
    StripMemory memory = {.integers = arena_alloc(scratch, (size_t)(frames + 2) * row * sizeof *memory.integers)};
    memory.sums = arena_floats(scratch, (size_t)frames * row);
    memory.gains = arena_floats(scratch, frames + 2);
    return memory;
}

// Compute all layers before the transposed convolution, for a strip of frequencies.
static void rewrite_strip(const void* context, int index, Arena* scratch) {
    const DecoderWork* work = context;
    const SpectralDecoder* layer = work->layer;
    const int full_width = strip_width(layer->channels), from = index * full_width, frames = work->frames;
    const int width = min_int(full_width, layer->frequencies - from);
    const size_t mark = scratch->used;
    const int channels = layer->channels, columns = width + 2, row = columns * channels;
    const StripMemory memory = strip_memory(scratch, frames, row);
    int16_t* integers = memory.integers;
    float *sums = memory.sums, *gains = memory.gains;
    const ptrdiff_t y_stride = (layer->frequencies + 2) * channels;
    const int begin = from > 0 ? from - 1 : 0, end = min_int(from + width + 1, layer->frequencies);
    const int before = (begin - (from - 1)) * channels, inside = (end - begin) * channels;
    memset(integers, 0, (size_t)(frames + 2) * row * sizeof *integers);
    gains[0] = gains[frames + 1] = 0;
    for (int t = 0; t < frames; t++) {
        const float* a = work->x + t * work->stride + begin * channels;
        const float* b = work->skip + ((ptrdiff_t)t * layer->frequencies + begin) * channels;
        for (int i = 0; i < inside; i += LANES) store(sums + i, load(a + i) + load(b + i));
        gains[t + 1] = quantise_row(sums, inside, SHORT_BLOCK, integers + (ptrdiff_t)(t + 1) * row + before);
    }
    const ptrdiff_t bytes = row * sizeof *integers;
    float* strip = sums;  // reuses the memory
    for (int f = 0; f < width; f++) {
        const Rows rows = {
            .values = integers + f * channels,
            .stride = bytes,
            .part_stride = bytes,
            .gains = gains,
            .gains_stride = 1,
            .gains_part_stride = 1,
        };
        multiply(&layer->rewrite, &rows, frames,
                 &(Result){.values = strip + f * channels, .stride = width * channels, .epilogue = GATE});
    }
    for (int f = 0; f < width; f++)
        add_residual(&layer->residual, strip + f * channels, width * channels, frames, scratch, NULL);
    for (int t = 0; t < frames; t++)
        memcpy(work->y + t * y_stride + (from + 1) * channels, strip + (ptrdiff_t)t * width * channels,
               width * channels * sizeof *strip);
    scratch->used = mark;
}

typedef struct {
    int16_t* integers;  // NULL for the last layer, which uses floats
    float* gains;
} UpsampleMemory;

static UpsampleMemory upsample_memory(Arena* scratch, const SpectralDecoder* layer, int frames, int columns) {
    const size_t mark = scratch->used;
    const size_t values = layer->last ? 0 : (size_t)frames * columns * layer->channels;
    UpsampleMemory memory = {.integers = arena_alloc(scratch, values * sizeof *memory.integers)};
    memory.gains = arena_floats(scratch, frames);
    scratch->used = mark;
    return memory;
}

// Compute the transposed convolution for positions `from` to `from + width`. Position i makes frequencies 4 i - 2 to
// 4 i + 1.
static void upsample_strip(const void* context, int index, Arena* scratch) {
    const DecoderWork* work = context;
    const SpectralDecoder* layer = work->layer;
    const int full_width = strip_width(layer->channels), from = index * full_width, frames = work->frames;
    const int width = min_int(full_width, layer->frequencies + 1 - from);
    const float* y = work->y;
    const int channels = layer->channels, columns = width + 1, four = STRIDE * layer->channels_out;
    const UpsampleMemory memory = upsample_memory(scratch, layer, frames, columns);
    const ptrdiff_t y_stride = (layer->frequencies + 2) * channels, out_stride = (layer->frequencies + 1) * four;
    if (!layer->last)
        quantise_rows(y + from * channels, y_stride, frames, columns * channels, SHORT_BLOCK, memory.integers,
                      memory.gains);
    for (int i = 0; i < width; i++) {
        const Rows floats = {.values = y + (from + i) * channels, .stride = y_stride * sizeof *y};
        const Rows integers = {
            .values = memory.integers + i * channels,
            .stride = columns * channels * sizeof *memory.integers,
            .gains = memory.gains,
            .gains_stride = 1,
        };
        multiply(&layer->conv, layer->last ? &floats : &integers, frames,
                 &(Result){.values = work->out + (from + i) * four,
                           .stride = out_stride,
                           .epilogue = layer->last ? STORE : GELU});
    }
}

static void plan_decoder(Arena* scratch, const SpectralDecoder* layer, int frames) {
    const size_t mark = scratch->used;
    const int width = min_int(strip_width(layer->channels), layer->frequencies);
    strip_memory(scratch, frames, (width + 2) * layer->channels);
    residual_memory(scratch, &layer->residual, frames);
    scratch->used = mark;
    upsample_memory(scratch, layer, frames, strip_width(layer->channels) + 1);
}

void decode_spectral(const SpectralDecoder* layer, const float* x, ptrdiff_t stride, const float* skip, int frames,
                     float* out, ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int channels = layer->channels, row = (layer->frequencies + 2) * channels;
    float* y = arena_floats(&pool->arena, (size_t)frames * row);
    if (!is_plan(&pool->arena))
        for (int t = 0; t < frames; t++) {
            memset(y + (ptrdiff_t)t * row, 0, channels * sizeof *y);
            memset(y + (ptrdiff_t)(t + 1) * row - channels, 0, channels * sizeof *y);
        }
    const DecoderWork work = {
        .layer = layer, .x = x, .skip = skip, .stride = stride, .frames = frames, .y = y, .out = out};
    plan_decoder(&pool->scratch[0], layer, frames);
    parallel_for(pool, rewrite_strip, &work, strips(layer->frequencies, channels));
    parallel_for(pool, upsample_strip, &work, strips(layer->frequencies + 1, channels));
    pool->arena.used = mark;
}
