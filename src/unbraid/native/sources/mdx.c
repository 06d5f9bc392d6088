// MDX-Net: a U-Net of blocks of 3 x 3 convolutions and products over the bins.
// Kim et al., "KUIELab-MDX-Net: A Two-Stream Neural Network for Music Demixing" (arXiv 2111.12203).

#include "mdx.h"

#include <string.h>

#include "arithmetic.h"
#include "mdx_layers.h"
#include "vectors.h"
#include "winograd.h"

typedef struct {
    Winograd convolutions[MAX_MDX_CONVOLUTIONS];
    BinLayers bins;
} Block;

typedef struct {
    SpectrumLayer first, last;
    Block encoder[MAX_MDX_LEVELS + 1], decoder[MAX_MDX_LEVELS];
    Resampling down[MAX_MDX_LEVELS], up[MAX_MDX_LEVELS];
} Network;

static int channels_of(const MdxSizes* sizes, int level) { return sizes->growth * (level + 1); }

static size_t values_of(const MdxSizes* sizes, int level) {
    return (size_t)(sizes->frames >> level) * (sizes->bins >> level) * channels_of(sizes, level);
}

static bool between(int value, int least, int most) { return least <= value && value <= most; }

static bool supported(const MdxSizes* sizes) {
    if (!between(sizes->levels, 1, MAX_MDX_LEVELS) || !between(sizes->growth, 16, MAX_MDX_CHANNELS)) return false;
    const int unit = TILE_SIZE << sizes->levels;  // bins and frames of a tile of the deepest level
    return between(sizes->bins, unit, MAX_MDX_BINS) && sizes->bins % unit == 0 &&
           between(sizes->frames, unit, MAX_MDX_FRAMES) && sizes->frames % unit == 0 &&
           between(sizes->all_bins, sizes->bins, 2 * MAX_MDX_BINS) && between(sizes->first_bin, 0, sizes->bins) &&
           sizes->growth % 16 == 0 && channels_of(sizes, sizes->levels) <= MAX_MDX_CHANNELS &&
           between(sizes->convolutions, 1, MAX_MDX_CONVOLUTIONS) &&
           between(sizes->narrow, 1 << sizes->levels, sizes->bins) && sizes->narrow % (1 << sizes->levels) == 0;
}

// Tensors that are read one after the other, and memory for their packed values.
typedef struct {
    int count, next;
    const float* const* tensors;
    const int64_t* lengths;
    Arena arena;    // without memory, it plans
    int32_t error;  // the first one; 0: none
} Reader;

// The next tensor; NULL for a plan, or with `error` set.
static const float* next_tensor(Reader* reader, int64_t length) {
    if (is_plan(&reader->arena) || reader->error) return NULL;
    if (reader->next == reader->count) return reader->error = MISSING_TENSOR, NULL;
    if (reader->lengths[reader->next] != length) return reader->error = WRONG_LENGTH, NULL;
    return reader->tensors[reader->next++];
}

static const float* read_vector(Reader* reader, int count) {
    float* packed = arena_floats(&reader->arena, count);
    const float* values = next_tensor(reader, count);
    if (values) memcpy(packed, values, count * sizeof *packed);
    return packed;
}

static Winograd read_convolution(Reader* reader, int channels) {
    float* packed = arena_floats(&reader->arena, winograd_floats(channels, channels));
    const float* values = next_tensor(reader, (int64_t)9 * channels * channels);
    if (values) pack_winograd(values, channels, channels, packed);
    return (Winograd){packed, read_vector(reader, channels), channels, channels};
}

static Resampling read_resampling(Reader* reader, int inputs, int outputs,
                                  void (*pack)(const float* weights, int inputs, int outputs, float* packed)) {
    float* packed = arena_floats(&reader->arena, (size_t)4 * inputs * outputs);
    const float* values = next_tensor(reader, (int64_t)4 * inputs * outputs);
    if (values) pack(values, inputs, outputs, packed);
    return (Resampling){packed, read_vector(reader, outputs), inputs, outputs};
}

static const float* read_bins(Reader* reader, int inputs, int outputs) {
    float* packed = arena_floats(&reader->arena, packed_bins(inputs, outputs));
    const float* values = next_tensor(reader, (int64_t)inputs * outputs);
    if (values) pack_bins(values, inputs, outputs, packed);
    return packed;
}

static Block read_block(Reader* reader, const MdxSizes* sizes, int level) {
    Block block = {0};
    const int channels = channels_of(sizes, level), bins = sizes->bins >> level, narrow = sizes->narrow >> level;
    for (int i = 0; i < sizes->convolutions; i++) block.convolutions[i] = read_convolution(reader, channels);
    block.bins = (BinLayers){.bins = bins, .narrow = narrow, .channels = channels};
    for (int i = 0; i < 2; i++) {
        const float* packed = i ? read_bins(reader, narrow, bins) : read_bins(reader, bins, narrow);
        *(i ? &block.bins.widening : &block.bins.narrowing) = packed;
        block.bins.gains[i] = read_vector(reader, channels);
        block.bins.offsets[i] = read_vector(reader, channels);
    }
    return block;
}

static SpectrumLayer spectrum_layer(const MdxSizes* sizes) {
    return (SpectrumLayer){.channels = sizes->growth,
                           .all_bins = sizes->all_bins,
                           .frames = sizes->frames,
                           .first_bin = sizes->first_bin,
                           .bins = sizes->bins};
}

static SpectrumLayer read_first(Reader* reader, const MdxSizes* sizes) {
    SpectrumLayer layer = spectrum_layer(sizes);
    float* packed = arena_floats(&reader->arena, (size_t)PARTS * sizes->growth);
    const float* values = next_tensor(reader, (int64_t)PARTS * sizes->growth);
    if (values)
        for (int i = 0; i < PARTS * sizes->growth; i++) packed[i % PARTS * sizes->growth + i / PARTS] = values[i];
    layer.weights = packed, layer.offsets = read_vector(reader, sizes->growth);
    return layer;
}

static SpectrumLayer read_last(Reader* reader, const MdxSizes* sizes) {
    SpectrumLayer layer = spectrum_layer(sizes);
    layer.weights = read_vector(reader, PARTS * sizes->growth);
    layer.offsets = read_vector(reader, PARTS);
    return layer;
}

static void read_network(Reader* reader, const MdxSizes* sizes) {
    Network read = {0}, *network = arena_alloc(&reader->arena, sizeof read);
    read.first = read_first(reader, sizes);
    for (int k = 0; k <= sizes->levels; k++) {
        read.encoder[k] = read_block(reader, sizes, k);
        if (k < sizes->levels)
            read.down[k] = read_resampling(reader, channels_of(sizes, k), channels_of(sizes, k + 1), pack_down);
    }
    for (int k = sizes->levels - 1; k >= 0; k--) {
        read.up[k] = read_resampling(reader, channels_of(sizes, k + 1), channels_of(sizes, k), pack_up);
        read.decoder[k] = read_block(reader, sizes, k);
    }
    read.last = read_last(reader, sizes);
    if (!reader->error && reader->next < reader->count) reader->error = WRONG_LENGTH;
    if (network) *network = read;
}

// Memory of a call. Each level has two buffers, one after the other: `first` keeps the encoder's result for the
// decoder. The buffers of deeper levels begin where `second` begins.
typedef struct {
    size_t first[MAX_MDX_LEVELS + 1], second[MAX_MDX_LEVELS + 1];  // offsets in floats
    size_t activations;                                            // floats
    size_t scratch;                                                // bytes for each thread
} Plan;

static size_t larger_size(size_t a, size_t b) { return a > b ? a : b; }

static Plan make_plan(const MdxSizes* sizes) {
    Plan plan = {0};
    size_t used = 0;
    for (int k = 0; k <= sizes->levels; k++) {
        const int channels = channels_of(sizes, k);
        plan.first[k] = used, plan.second[k] = used += values_of(sizes, k);
        plan.activations = larger_size(plan.activations, used + values_of(sizes, k));
        plan.scratch = larger_size(plan.scratch, winograd_scratch(channels, channels));
        plan.scratch = larger_size(plan.scratch, bin_layers_scratch(sizes->narrow >> k, channels));
    }
    plan.scratch = (plan.scratch + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return plan;
}

static void swap(float** a, float** b) {
    float* before = *a;
    *a = *b, *b = before;
}

// Compute a block of `level`. *x: its input, then its result; *other: the other buffer of this level.
static void run_block(const Block* block, const MdxSizes* sizes, int level, float** x, float** other,
                      ThreadPool* pool) {
    const int frames = sizes->frames >> level, bins = sizes->bins >> level;
    enter_stage(pool, MDX_CONVOLUTIONS);
    for (int i = 0; i < sizes->convolutions; i++) {
        convolve(&block->convolutions[i], *x, frames, bins, *other, pool);
        swap(x, other);
    }
    enter_stage(pool, MDX_BINS);
    add_bin_layers(&block->bins, *x, frames, pool);
}

static void run_network(const Network* network, const MdxSizes* sizes, const Plan* plan, float* memory,
                        const float* spectrum, float* spectra, ThreadPool* pool) {
    float *x = NULL, *other;
    for (int k = 0; k <= sizes->levels; k++) {
        // The block's result has to be in `first`.
        float *from = x, *first = memory + plan->first[k], *second = memory + plan->second[k];
        x = sizes->convolutions % 2 ? second : first, other = sizes->convolutions % 2 ? first : second;
        if (k == 0) {
            enter_stage(pool, MDX_READING);
            read_spectrum(&network->first, spectrum, x, pool);
        } else {
            enter_stage(pool, MDX_RESAMPLING);
            downsample(&network->down[k - 1], from, sizes->frames >> (k - 1), sizes->bins >> (k - 1), x, pool);
        }
        run_block(&network->encoder[k], sizes, k, &x, &other, pool);
    }
    for (int k = sizes->levels - 1; k >= 0; k--) {
        enter_stage(pool, MDX_RESAMPLING);
        float* skip = memory + plan->first[k];
        upsample(&network->up[k], x, sizes->frames >> (k + 1), sizes->bins >> (k + 1), skip, pool);
        x = skip, other = memory + plan->second[k];
        run_block(&network->decoder[k], sizes, k, &x, &other, pool);
    }
    enter_stage(pool, MDX_WRITING);
    write_spectrum(&network->last, x, spectra, pool);
    enter_stage(pool, MDX_READING);
}

uint64_t mdx_weights_bytes(const MdxSizes* sizes) {
    if (!supported(sizes)) return 0;
    Reader reader = {0};
    read_network(&reader, sizes);
    return reader.arena.peak;
}

int32_t mdx_pack(const MdxSizes* sizes, int32_t count, const float* const* tensors, const int64_t* lengths,
                 void* weights, uint64_t weights_bytes) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (weights_bytes < mdx_weights_bytes(sizes)) return SMALL_MEMORY;
    Reader reader = {.count = count, .tensors = tensors, .lengths = lengths, .arena = {.memory = weights}};
    read_network(&reader, sizes);
    return reader.error;
}

uint64_t mdx_workspace_bytes(const MdxSizes* sizes, int32_t threads) {
    if (!supported(sizes)) return 0;
    const Plan plan = make_plan(sizes);
    return plan.activations * sizeof(float) + clamp_threads(threads) * plan.scratch;
}

int32_t mdx_run(const MdxSizes* sizes, const void* weights, void* workspace, uint64_t workspace_bytes,
                int32_t threads, int32_t* active, const float* spectrum, float* spectra, double* seconds) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (workspace_bytes < mdx_workspace_bytes(sizes, threads)) return SMALL_MEMORY;
    const Plan plan = make_plan(sizes);
    ThreadPool pool = {.arena = {.memory = workspace}, .active = (atomic_int*)active, .seconds = seconds};
    char* scratch = (char*)((float*)workspace + plan.activations);
    for (int i = 0; i < clamp_threads(threads); i++) pool.scratch[i].memory = scratch + i * plan.scratch;
    pool_start(&pool, clamp_threads(threads));
    run_network(weights, sizes, &plan, workspace, spectrum, spectra, &pool);
    pool_stop(&pool);
    return DONE;
}
