// HTDemucs: two U-Nets, for the spectrogram and the waveform, with a transformer between their encoders and decoders.
// Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553).

#include <math.h>
#include <string.h>

#include "names.h"
#include "native.h"
#include "transformer.h"
#include "waveform.h"

#define DEPTH 4
#define CHANNELS 48  // channels of the first level; each deeper level has twice as many
#define BINS 2048
#define STEREO 2
#define COMPLEX 2             // real and imaginary
#define EMBEDDING_SCALE 2.0f  // published vectors are stored divided by 10, and added with a factor of 0.2

_Static_assert(CHANNELS << (DEPTH - 1) == MAX_CHANNELS, "layers have arrays for the deepest level");
_Static_assert(MAX_CHANNELS <= MAX_WIDTH,
               "without a width of its own, the transformer has the channels of this level");
_Static_assert(ALIGNMENT % sizeof(Integers) == 0, "blocks of an arena are aligned for vectors");

typedef struct {
    SpectralEncoder encoder[DEPTH];
    WaveformEncoder tencoder[DEPTH];
    SpectralDecoder decoder[DEPTH];
    WaveformDecoder tdecoder[DEPTH];
    Matrix up, up_t, down, down_t;  // to the transformer's width and back, if it differs
    Transformer transformer;
} Network;

static int channels_of(int level) { return CHANNELS << level; }

static int frequencies_of(int level) { return BINS >> 2 * (level + 1); }

static Network* build_network(Builder* builder, const HTDemucsSizes* sizes) {
    Network built, *network = arena_alloc(&builder->arena, sizeof built);
    for (int k = 0; k < DEPTH; k++) {
        const int in = k ? channels_of(k - 1) : STEREO * COMPLEX, in_t = k ? channels_of(k - 1) : STEREO;
        built.encoder[k] = make_spectral_encoder(builder, k, in, channels_of(k), frequencies_of(k));
        built.tencoder[k] = make_waveform_encoder(builder, k, in_t, channels_of(k));
        // Decoders are numbered from the innermost.
        const int level = DEPTH - 1 - k;
        const int out = level ? channels_of(level - 1) : sizes->sources * STEREO * COMPLEX;
        const int out_t = level ? channels_of(level - 1) : sizes->sources * STEREO;
        built.decoder[k] =
            make_spectral_decoder(builder, k, channels_of(level), out, frequencies_of(level), level == 0);
        built.tdecoder[k] = make_waveform_decoder(builder, k, channels_of(level), out_t, level == 0);
    }
    float* embedding =
        (float*)floats_from(builder, "freq_emb.", "embedding.weight", frequencies_of(0) * channels_of(0));
    if (embedding)
        for (int i = 0; i < frequencies_of(0) * channels_of(0); i++) embedding[i] *= EMBEDDING_SCALE;
    built.encoder[0].embedding = embedding;
    const int bottom = channels_of(DEPTH - 1), width = sizes->width ? sizes->width : bottom;
    if (sizes->width) {
        built.up = pointwise(builder, "channel_upsampler.", width, bottom, (MatrixOptions){0});
        built.up_t = pointwise(builder, "channel_upsampler_t.", width, bottom, (MatrixOptions){0});
        built.down = pointwise(builder, "channel_downsampler.", bottom, width, (MatrixOptions){0});
        built.down_t = pointwise(builder, "channel_downsampler_t.", bottom, width, (MatrixOptions){0});
    }
    built.transformer = make_transformer(builder, width);
    if (network) *network = built;
    return network;
}

typedef struct {
    float mean, deviation;
} Statistics;

// A copy between Python's memory layout and the layout of this library.
typedef struct {
    const float* from;
    float* to;
    int length, channels;  // length: frames or samples
    Statistics statistics;
} LayoutCopy;

// Sum (x - mean), or its squares, in double precision, in LANES separate sums.
static double sum_of(const float* x, ptrdiff_t count, double mean, bool squares) {
    double lanes[LANES] = {0}, sum = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double centred = x[i + k] - mean;
            lanes[k] += squares ? centred * centred : centred;
        }
    for (; i < count; i++) sum += squares ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    for (int k = 0; k < LANES; k++) sum += lanes[k];
    return sum;
}

// Mean and deviation. The variance is divided by count - 1, as torch.std does by default.
static Statistics statistics_of(const float* x, ptrdiff_t count) {
    const double mean = sum_of(x, count, 0, false) / count;
    return (Statistics){(float)mean, (float)sqrt(sum_of(x, count, mean, true) / (count - 1))};
}

// (2, BINS, frames, 2) -> (frames, BINS, 4), standardised, for one frequency.
static void read_frequency(const void* context, int f, Arena* scratch) {
    const LayoutCopy* copy = context;
    (void)scratch;
    const int parts = STEREO * COMPLEX;
    const float scale = 1 / (1e-5f + copy->statistics.deviation), mean = copy->statistics.mean;
    for (int c = 0; c < STEREO; c++) {
        const float* from = copy->from + ((ptrdiff_t)c * BINS + f) * copy->length * COMPLEX;
        float* to = copy->to + f * parts + c * COMPLEX;
        for (ptrdiff_t t = 0; t < copy->length; t++)
            for (int part = 0; part < COMPLEX; part++)
                to[t * BINS * parts + part] = (from[t * COMPLEX + part] - mean) * scale;
    }
}

static void read_mixture(const float* mixture, int samples, Statistics statistics, float* out) {
    const float scale = 1 / (1e-5f + statistics.deviation);
    for (int c = 0; c < STEREO; c++)
        for (ptrdiff_t i = 0; i < samples; i++)
            out[i * STEREO + c] = (mixture[(ptrdiff_t)c * samples + i] - statistics.mean) * scale;
}

// (frames, BINS + 2 PADDING, sources * 4) -> (sources, 2, BINS, frames, 2), rescaled, for one frequency.
static void write_frequency(const void* context, int f, Arena* scratch) {
    const LayoutCopy* copy = context;
    (void)scratch;
    const ptrdiff_t row = (ptrdiff_t)(BINS + 2 * PADDING) * copy->channels;
    for (int pair = 0; pair < copy->channels / COMPLEX; pair++) {
        const float* from = copy->from + (ptrdiff_t)(f + PADDING) * copy->channels + pair * COMPLEX;
        float* to = copy->to + ((ptrdiff_t)pair * BINS + f) * copy->length * COMPLEX;
        for (ptrdiff_t t = 0; t < copy->length; t++)
            for (int part = 0; part < COMPLEX; part++)
                to[t * COMPLEX + part] = from[t * row + part] * copy->statistics.deviation + copy->statistics.mean;
    }
}

// (PADDING + samples, channels) -> (channels, samples), rescaled, for one channel.
static void write_channel(const void* context, int channel, Arena* scratch) {
    const LayoutCopy* copy = context;
    (void)scratch;
    for (ptrdiff_t i = 0; i < copy->length; i++)
        copy->to[(ptrdiff_t)channel * copy->length + i] =
            copy->from[(i + PADDING) * copy->channels + channel] * copy->statistics.deviation + copy->statistics.mean;
}

typedef struct {
    const Matrix* matrix;
    const float* x;
    int count, from;
    float* out;
} WidthChange;

static int16_t* change_width_memory(Arena* scratch, int from) {
    const size_t mark = scratch->used;
    int16_t* integers = arena_alloc(scratch, (size_t)TOKEN_BLOCK * from * sizeof *integers);
    scratch->used = mark;
    return integers;
}

static void change_width_piece(const void* context, int piece, Arena* scratch) {
    const WidthChange* work = context;
    const int first_row = piece * TOKEN_BLOCK, count = min_int(TOKEN_BLOCK, work->count - first_row);
    int16_t* integers = change_width_memory(scratch, work->from);
    float gains[TOKEN_BLOCK];
    quantise_rows(work->x + (ptrdiff_t)first_row * work->from, work->from, count, work->from, LONG_BLOCK, integers,
                  gains);
    const int outputs = work->matrix->outputs;
    multiply(work->matrix,
             &(Rows){.values = integers, .stride = work->from * sizeof *integers, .gains = gains, .gains_stride = 1},
             count,
             &(Result){.values = work->out + (ptrdiff_t)first_row * outputs, .stride = outputs, .epilogue = STORE});
}

// Multiply each row of x with a matrix, to the transformer's width or back.
static void change_width(WidthChange work, ThreadPool* pool) {
    change_width_memory(&pool->scratch[0], work.from);
    parallel_for(pool, change_width_piece, &work, ceil_div(work.count, TOKEN_BLOCK));
}

// The transformer, and if needed projections to its width and back. x, out: (frames, frequencies, channels);
// waveform, out_t: (length, channels).
static void run_transformer(const Network* network, const HTDemucsSizes* sizes, const float* x, int count,
                            const float* waveform, int length, float* out, float* out_t, ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int bottom = channels_of(DEPTH - 1), frequencies = frequencies_of(DEPTH - 1), width = sizes->width;
    enter_stage(pool, PROJECTIONS);
    if (width) {
        float* wide = arena_floats(&pool->arena, (size_t)count * width);
        float* wide_t = arena_floats(&pool->arena, (size_t)length * width);
        change_width((WidthChange){.matrix = &network->up, .x = x, .count = count, .from = bottom, .out = wide},
                     pool);
        change_width(
            (WidthChange){.matrix = &network->up_t, .x = waveform, .count = length, .from = bottom, .out = wide_t},
            pool);
        transform(&network->transformer, wide, sizes->frames, frequencies, wide_t, length, pool);
        enter_stage(pool, PROJECTIONS);
        change_width((WidthChange){.matrix = &network->down, .x = wide, .count = count, .from = width, .out = out},
                     pool);
        change_width(
            (WidthChange){.matrix = &network->down_t, .x = wide_t, .count = length, .from = width, .out = out_t},
            pool);
    } else {
        if (!is_plan(&pool->arena)) {
            memcpy(out, x, (size_t)count * bottom * sizeof *out);
            memcpy(out_t, waveform, (size_t)length * bottom * sizeof *out_t);
        }
        transform(&network->transformer, out, sizes->frames, frequencies, out_t, length, pool);
    }
    pool->arena.used = mark;
}

static float* offset_by(float* x, ptrdiff_t values) { return x ? x + values : NULL; }

static void run_network(const Network* network, const HTDemucsSizes* sizes, ThreadPool* pool, const float* mixture,
                        const float* spectrum, float* waveforms, float* spectra) {
    const int frames = sizes->frames, sources = sizes->sources, samples = sizes->samples, top = DEPTH - 1;
    Arena* arena = &pool->arena;
    float *skips[DEPTH], *skips_t[DEPTH];
    int lengths[DEPTH + 1] = {samples};
    for (int k = 0; k < DEPTH; k++) {
        lengths[k + 1] = (lengths[k] + STRIDE - 1) / STRIDE;
        skips[k] = arena_floats(arena, (size_t)frames * frequencies_of(k) * channels_of(k));
        skips_t[k] = arena_floats(arena, (size_t)lengths[k + 1] * channels_of(k));
    }
    Statistics statistics = {0, 0}, statistics_t = {0, 0};
    const size_t mark = arena->used;
    float* read = arena_floats(arena, (size_t)frames * BINS * STEREO * COMPLEX);
    float* read_t = arena_floats(arena, (size_t)samples * STEREO);
    enter_stage(pool, READING);
    if (!is_plan(arena)) {
        statistics = statistics_of(spectrum, (ptrdiff_t)STEREO * BINS * frames * COMPLEX);
        statistics_t = statistics_of(mixture, (ptrdiff_t)STEREO * samples);
        read_mixture(mixture, samples, statistics_t, read_t);
    }
    parallel_for(pool, read_frequency,
                 &(LayoutCopy){.from = spectrum, .to = read, .length = frames, .statistics = statistics}, BINS);
    for (int k = 0; k < DEPTH; k++) {
        enter_stage(pool, SPECTRAL_ENCODER);
        encode_spectral(&network->encoder[k], k ? skips[k - 1] : read, frames, skips[k], pool);
        enter_stage(pool, WAVEFORM_ENCODER);
        encode_waveform(&network->tencoder[k], k ? skips_t[k - 1] : read_t, lengths[k], skips_t[k], pool);
    }
    arena->used = mark;

    // The decoders' inputs and outputs alternate between two buffers.
    const int tokens = frames * frequencies_of(top);
    size_t capacity[2] = {(size_t)tokens * channels_of(top), 0},
           capacity_t[2] = {(size_t)lengths[DEPTH] * channels_of(top), 0};
    for (int k = 0; k < DEPTH; k++) {
        const SpectralDecoder* layer = &network->decoder[k];
        const size_t values = (size_t)frames * (STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
        const size_t values_t = (size_t)(STRIDE * lengths[DEPTH - k] + STRIDE) * network->tdecoder[k].channels_out;
        if (values > capacity[(k + 1) % 2]) capacity[(k + 1) % 2] = values;
        if (values_t > capacity_t[(k + 1) % 2]) capacity_t[(k + 1) % 2] = values_t;
    }
    float *x[2], *xt[2];
    for (int i = 0; i < 2; i++) x[i] = arena_floats(arena, capacity[i]), xt[i] = arena_floats(arena, capacity_t[i]);
    run_transformer(network, sizes, skips[top], tokens, skips_t[top], lengths[DEPTH], x[0], xt[0], pool);
    // Offsets of the values in the input buffers, and the distance of frames.
    ptrdiff_t shift = 0, stride = frequencies_of(top) * channels_of(top), shift_t = 0;
    for (int k = 0; k < DEPTH; k++) {
        const int level = top - k, from = k % 2, to = 1 - from;
        const SpectralDecoder* layer = &network->decoder[k];
        const WaveformDecoder* layer_t = &network->tdecoder[k];
        enter_stage(pool, SPECTRAL_DECODER);
        decode_spectral(layer, offset_by(x[from], shift), stride, skips[level], frames, x[to], pool);
        enter_stage(pool, WAVEFORM_DECODER);
        decode_waveform(layer_t, offset_by(xt[from], shift_t), skips_t[level], lengths[level + 1], xt[to], pool);
        shift = PADDING * layer->channels_out, shift_t = PADDING * layer_t->channels_out;
        stride = (ptrdiff_t)(STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
    }
    enter_stage(pool, WRITING);
    const int channels = sources * STEREO, last = DEPTH % 2;
    parallel_for(pool, write_frequency,
                 &(LayoutCopy){.from = x[last],
                               .to = spectra,
                               .length = frames,
                               .channels = channels * COMPLEX,
                               .statistics = statistics},
                 BINS);
    parallel_for(
        pool, write_channel,
        &(LayoutCopy){
            .from = xt[last], .to = waveforms, .length = samples, .channels = channels, .statistics = statistics_t},
        channels);
    enter_stage(pool, READING);
}

// Memory of a call: the shared arena, and each thread's scratch arena.
static void plan_memory(const HTDemucsSizes* sizes, const Network* network, size_t* arena, size_t* scratch) {
    ThreadPool pool = {.threads = 1};
    run_network(network, sizes, &pool, NULL, NULL, NULL, NULL);
    *arena = pool.arena.peak, *scratch = pool.scratch[0].peak;
}

static bool between(int value, int least, int most) { return least <= value && value <= most; }

// Whether the sizes fit into the arrays of all layers.
static bool supported(const HTDemucsSizes* sizes) {
    // The values of a head fill whole vectors of every instruction set.
    return between(sizes->sources, 1, MAX_SOURCES) && between(sizes->width, 0, MAX_WIDTH) &&
           sizes->width % (HEADS * 16) == 0 && between(sizes->samples, 1, MAX_SAMPLES) &&
           between(sizes->frames, 1, MAX_FRAMES);
}

uint64_t htdemucs_weights_bytes(const HTDemucsSizes* sizes) {
    if (!supported(sizes)) return 0;
    Builder builder = {0};
    build_network(&builder, sizes);
    return builder.arena.peak;
}

int32_t htdemucs_pack(const HTDemucsSizes* sizes, int32_t count, const char* const* names,
                      const uint16_t* const* values, const int64_t* lengths, void* weights, uint64_t weights_bytes) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (weights_bytes < htdemucs_weights_bytes(sizes)) return SMALL_MEMORY;
    Builder builder = {
        .count = count, .names = names, .values = values, .lengths = lengths, .arena = {.memory = weights}};
    build_network(&builder, sizes);
    return builder.error;
}

uint64_t htdemucs_workspace_bytes(const HTDemucsSizes* sizes, const void* weights, int32_t threads) {
    if (!supported(sizes)) return 0;
    size_t arena, scratch;
    plan_memory(sizes, weights, &arena, &scratch);
    return arena + clamp_threads(threads) * scratch;
}

int32_t htdemucs_run(const HTDemucsSizes* sizes, const void* weights, void* workspace, uint64_t workspace_bytes,
                     int32_t threads, int32_t* active, const float* mixture, const float* spectrum, float* waveforms,
                     float* spectra, double* seconds) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    size_t arena, scratch;
    plan_memory(sizes, weights, &arena, &scratch);
    if (workspace_bytes < arena + clamp_threads(threads) * scratch) return SMALL_MEMORY;
    ThreadPool pool = {.arena = {.memory = workspace}, .active = (atomic_int*)active, .seconds = seconds};
    for (int i = 0; i < clamp_threads(threads); i++) pool.scratch[i].memory = (char*)workspace + arena + i * scratch;
    pool_start(&pool, clamp_threads(threads));
    run_network(weights, sizes, &pool, mixture, spectrum, waveforms, spectra);
    pool_stop(&pool);
    return DONE;
}
