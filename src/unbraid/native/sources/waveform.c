#include "waveform.h"

#include <string.h>

#define WAVEFORM_ROWS 252  // rows of a task; they fit into the cache

static int pieces(int count) { return ceil_div(count, WAVEFORM_ROWS); }

// Uses floats: these layers take a tenth of the network's time, and their errors would have the largest effect.
WaveformEncoder make_waveform_encoder(Builder* builder, int level, int channels_in, int channels) {
    const Name prefix = format_name("tencoder.%d.", level);
    return (WaveformEncoder){
        .channels_in = channels_in,
        .channels = channels,
        .conv = convolution(builder, format_name("%sconv.", prefix.text).text, channels, channels_in, 8,
                            (MatrixOptions){.floats = true}),
        .rewrite = pointwise(builder, format_name("%srewrite.", prefix.text).text, 2 * channels, channels,
                             (MatrixOptions){.gated = true, .floats = true}),
        .residual = make_residual(builder, prefix.text, channels, true),
    };
}

// Allocate `length` rows between `padding` rows of zeros. NULL in a plan.
static float* alloc_between_zeros(Arena* arena, int length, int channels, int padding) {
    const size_t zeros = (size_t)padding * channels, values = (size_t)length * channels;
    float* memory = arena_floats(arena, values + 2 * zeros);
    if (is_plan(arena)) return NULL;
    memset(memory, 0, zeros * sizeof *memory);
    memset(memory + zeros + values, 0, zeros * sizeof *memory);
    return memory + zeros;
}

typedef struct {
    const WaveformEncoder* layer;
    const float* x;
    int length, length_out;
    float *y, *out;
} EncoderWork;

static float* downsample_memory(Arena* scratch, int channels_in) {
    const size_t mark = scratch->used;
    float* edge = arena_floats(scratch, (size_t)(STRIDE * WAVEFORM_ROWS + 2 * PADDING) * channels_in);
    scratch->used = mark;
    return edge;
}

static void downsample_piece(const void* context, int piece, Arena* scratch) {
    const EncoderWork* work = context;
    const int in = work->layer->channels_in, channels = work->layer->channels, from = piece * WAVEFORM_ROWS;
    const int count = min_int(WAVEFORM_ROWS, work->length_out - from), begin = STRIDE * from - PADDING;
    const int end = begin + STRIDE * count + 2 * PADDING;
    float* edge = downsample_memory(scratch, in);
    const float* input = work->x + (ptrdiff_t)begin * in;
    if (begin < 0 || end > work->length) {
        const int first_row = begin < 0 ? 0 : begin, last_row = min_int(end, work->length);
        memset(edge, 0, (size_t)(end - begin) * in * sizeof *edge);
        memcpy(edge + (first_row - begin) * in, work->x + (ptrdiff_t)first_row * in,
               (size_t)(last_row - first_row) * in * sizeof *edge);
        input = edge;
    }
    multiply(&work->layer->conv, &(Rows){.values = input, .stride = STRIDE * in * sizeof *input}, count,
             &(Result){.values = work->y + (ptrdiff_t)from * channels, .stride = channels, .epilogue = GELU});
}

static void gate_piece(const void* context, int piece, Arena* scratch) {
    (void)scratch;
    const EncoderWork* work = context;
    const int channels = work->layer->channels, from = piece * WAVEFORM_ROWS,
              count = min_int(WAVEFORM_ROWS, work->length_out - from);
    const float* y = work->y + (ptrdiff_t)from * channels;
    multiply(&work->layer->rewrite, &(Rows){.values = y, .stride = channels * sizeof *y}, count,
             &(Result){.values = work->out + (ptrdiff_t)from * channels, .stride = channels, .epilogue = GATE});
}

void encode_waveform(const WaveformEncoder* layer, const float* x, int length, float* out, ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int channels = layer->channels, length_out = (length + STRIDE - 1) / STRIDE;
    // The residual branches read zeros around y.
    float* y = alloc_between_zeros(&pool->arena, length_out, channels, MAX_DILATION);
    const EncoderWork work = {.layer = layer, .x = x, .length = length, .length_out = length_out, .y = y, .out = out};
    downsample_memory(&pool->scratch[0], layer->channels_in);
    parallel_for(pool, downsample_piece, &work, pieces(length_out));
    add_residual(&layer->residual, y, channels, length_out, &pool->arena, pool);
    parallel_for(pool, gate_piece, &work, pieces(length_out));
    pool->arena.used = mark;
}

WaveformDecoder make_waveform_decoder(Builder* builder, int level, int channels, int channels_out, bool last) {
    const Name prefix = format_name("tdecoder.%d.", level);
    return (WaveformDecoder){
        .channels = channels,
        .channels_out = channels_out,
        .rewrite = convolution(builder, format_name("%srewrite.", prefix.text).text, 2 * channels, channels, 3,
                               (MatrixOptions){.gated = true, .block = SHORT_BLOCK, .parts = 3}),
        .conv = transposed(builder, format_name("%sconv_tr.", prefix.text).text, channels, channels_out,
                           (MatrixOptions){.floats = last, .block = SHORT_BLOCK, .parts = last ? 1 : 2}),
        .residual = make_residual(builder, prefix.text, channels, false),
        .last = last,
    };
}

typedef struct {
    const WaveformDecoder* layer;
    const float *x, *skip;
    int length;
    float* y;  // input of the transposed convolution, between rows of zeros
    float* out;
} DecoderWork;

typedef struct {
    int16_t* integers;
    float* gains;
} RowsMemory;

// Memory for the integers of a piece, and of the rows before and after it.
static RowsMemory rows_memory(Arena* scratch, int channels) {
    const size_t mark = scratch->used;
    RowsMemory memory = {.integers =
                             arena_alloc(scratch, (size_t)(WAVEFORM_ROWS + 2) * channels * sizeof *memory.integers)};
    memory.gains = arena_floats(scratch, WAVEFORM_ROWS + 2);
    scratch->used = mark;
    return memory;
}

// The quantised rows, for a convolution over several of them.
static Rows quantised_rows(RowsMemory memory, int channels) {
    const ptrdiff_t bytes = channels * sizeof *memory.integers;
    return (Rows){
        .values = memory.integers,
        .stride = bytes,
        .part_stride = bytes,
        .gains = memory.gains,
        .gains_stride = 1,
        .gains_part_stride = 1,
    };
}

static void rewrite_piece(const void* context, int piece, Arena* scratch) {
    const DecoderWork* work = context;
    const int channels = work->layer->channels, from = piece * WAVEFORM_ROWS,
              count = min_int(WAVEFORM_ROWS, work->length - from);
    const RowsMemory memory = rows_memory(scratch, channels);
    int16_t* integers = memory.integers;
    float* gains = memory.gains;
    float sums[MAX_CHANNELS];
    for (int i = 0; i < count + 2; i++) {
        const int t = from - 1 + i;
        const bool inside = t >= 0 && t < work->length;
        for (int c = 0; c < channels; c += LANES) {
            const ptrdiff_t index = (ptrdiff_t)t * channels + c;
            Floats sum = splat(0);
            if (inside) sum = load(work->x + index) + load(work->skip + index);
            store(sums + c, sum);
        }
        gains[i] = quantise_row(sums, channels, SHORT_BLOCK, integers + i * channels);
    }
    const Rows rows = quantised_rows(memory, channels);
    multiply(&work->layer->rewrite, &rows, count,
             &(Result){.values = work->y + (ptrdiff_t)from * channels, .stride = channels, .epilogue = GATE});
}

static void upsample_piece(const void* context, int piece, Arena* scratch) {
    const DecoderWork* work = context;
    const WaveformDecoder* layer = work->layer;
    const int channels = layer->channels, from = piece * WAVEFORM_ROWS,
              count = min_int(WAVEFORM_ROWS, work->length + 1 - from);
    const int four = STRIDE * layer->channels_out;
    const RowsMemory memory = rows_memory(scratch, channels);
    const float* input = work->y + (ptrdiff_t)(from - 1) * channels;
    Rows rows = {.values = input, .stride = channels * sizeof *input};
    if (!layer->last) {
        quantise_rows(input, channels, count + 1, channels, SHORT_BLOCK, memory.integers, memory.gains);
        rows = quantised_rows(memory, channels);
    }
    multiply(
        &layer->conv, &rows, count,
        &(Result){
            .values = work->out + (ptrdiff_t)from * four, .stride = four, .epilogue = layer->last ? STORE : GELU});
}

void decode_waveform(const WaveformDecoder* layer, const float* x, const float* skip, int length, float* out,
                     ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int channels = layer->channels;
    float* y = alloc_between_zeros(&pool->arena, length, channels, 1);
    const DecoderWork work = {.layer = layer, .x = x, .skip = skip, .length = length, .y = y, .out = out};
    rows_memory(&pool->scratch[0], channels);
    parallel_for(pool, rewrite_piece, &work, pieces(length));
    add_residual(&layer->residual, y, channels, length, &pool->arena, pool);
    parallel_for(pool, upsample_piece, &work, pieces(length + 1));
    pool->arena.used = mark;
}
