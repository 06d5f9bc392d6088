#include "transformer.h"

#include <math.h>
#include <string.h>

#include "balance.h"

#define EPSILON 1e-5
#define MAX_PERIOD 10000.0f

_Static_assert(4 * MAX_WIDTH <= MAX_DEPTH, "pack_matrix reads rows of the widest layer");

static Norm make_norm(Builder* builder, const char* prefix, const char* name, int width) {
    const Name full = format_name("%s%s.", prefix, name);
    const float* gains = floats_from(builder, full.text, "weight", width);
    return (Norm){gains, floats_from(builder, full.text, "bias", width)};
}

// A normalisation, balanced with rows of a tensor (tensor_rows, width) that read it.
static Norm make_balanced_norm(Builder* builder, const char* prefix, const char* name, const uint16_t* weights,
                               int rows, int width, float* input_gains) {
    const Norm norm = make_norm(builder, prefix, name, width);
    for (int i = 0; i < width; i++) input_gains[i] = 1;
    if (norm.gains && !builder->error)
        balance_channels((float*)norm.gains, (float*)norm.offsets, weights, rows, width, input_gains);
    return norm;
}

// Rows `from` to `from + count` of the matrix for queries, keys and values.
static Matrix make_projection(Builder* builder, const char* prefix, int from, int count, int width,
                              const float* input_gains) {
    const WeightLayout layout = {.weights = (int64_t)3 * width * width,
                                 .biases = 3 * width,
                                 .outputs = count,
                                 .depth = width,
                                 .n0 = count,
                                 .n0_step = width,
                                 .k0 = width,
                                 .k0_step = 1,
                                 .k1 = 1,
                                 .base = (ptrdiff_t)from * width};
    return matrix_from(builder, prefix, "in_proj_weight", "in_proj_bias", from, &layout,
                       (MatrixOptions){.input_gains = input_gains});
}

static Layer make_layer(Builder* builder, const char* prefix, bool cross, int width) {
    const Name attention = format_name("%s%s_attn.", prefix, cross ? "cross" : "self");
    const float* attention_scale = floats_from(builder, prefix, "gamma_1.scale", width);
    const float* feed_scale = floats_from(builder, prefix, "gamma_2.scale", width);
    const uint16_t* in_proj = find_tensor(builder, attention.text, "in_proj_weight", (int64_t)3 * width * width);
    const uint16_t* linear1 = find_tensor(builder, prefix, "linear1.weight", (int64_t)4 * width * width);
    float query_inputs[MAX_WIDTH], key_inputs[MAX_WIDTH], feed_inputs[MAX_WIDTH];
    // Self-attention computes queries, keys and values from the same tokens.
    const Norm query_norm =
        make_balanced_norm(builder, prefix, "norm1", in_proj, cross ? width : 3 * width, width, query_inputs);
    const Norm key_norm = cross
                              ? make_balanced_norm(builder, prefix, "norm2", in_proj ? in_proj + width * width : NULL,
                                                   2 * width, width, key_inputs)
                              : query_norm;
    const Norm feed_norm =
        make_balanced_norm(builder, prefix, cross ? "norm3" : "norm2", linear1, 4 * width, width, feed_inputs);
    return (Layer){
        .query_norm = query_norm,
        .key_norm = key_norm,
        .feed_norm = feed_norm,
        .queries = make_projection(builder, attention.text, 0, width, width, query_inputs),
        .keys_values =
            make_projection(builder, attention.text, width, 2 * width, width, cross ? key_inputs : query_inputs),
        .output = pointwise(builder, format_name("%sout_proj.", attention.text).text, width, width,
                            (MatrixOptions){.output_gains = attention_scale}),
        .expand = pointwise(builder, format_name("%slinear1.", prefix).text, 4 * width, width,
                            (MatrixOptions){.input_gains = feed_inputs}),
        .contract = pointwise(builder, format_name("%slinear2.", prefix).text, width, 4 * width,
                              (MatrixOptions){.output_gains = feed_scale}),
        .output_norm = make_norm(builder, prefix, "norm_out", width),
    };
}

static LayerStack make_stack(Builder* builder, const char* suffix, int width) {
    LayerStack stack = {.width = width};
    const Name before = format_name("norm_in%s", suffix);
    stack.input_norm = make_norm(builder, "crosstransformer.", before.text, width);
    for (int k = 0; k < LAYERS; k++)
        stack.layers[k] =
            make_layer(builder, format_name("crosstransformer.layers%s.%d.", suffix, k).text, k % 2, width);
    return stack;
}

Transformer make_transformer(Builder* builder, int width) {
    Transformer transformer = {.spectral = make_stack(builder, "", width)};
    transformer.waveform = make_stack(builder, "_t", width);
    return transformer;
}

// Layer normalisation of one token.
static void normalise(const float* x, int width, Norm norm, float* out) {
    Floats sum = splat(0);
    for (int i = 0; i < width; i += LANES) sum = sum + load(x + i);
    const Floats mean = splat(sum_of_lanes(sum) / width);
    Floats square = splat(0);
    for (int i = 0; i < width; i += LANES) {
        const Floats centred = load(x + i) - mean;
        square = multiply_add(centred, centred, square);
    }
    const Floats scale = splat(1 / sqrtf(sum_of_lanes(square) / width + (float)EPSILON));
    for (int i = 0; i < width; i += LANES)
        store(out + i, multiply_add((load(x + i) - mean) * scale, load(norm.gains + i), load(norm.offsets + i)));
}

static void quantise_normalised(const float* x, int count, int width, Norm norm, int16_t* integers, float* gains) {
    float row[MAX_WIDTH];
    for (int t = 0; t < count; t++) {
        normalise(x + (ptrdiff_t)t * width, width, norm, row);
        gains[t] = quantise_row(row, width, LONG_BLOCK, integers + t * width);
    }
}

static int pieces(int count) { return ceil_div(count, TOKEN_BLOCK); }

typedef struct {
    const float* x;
    int count, width;
    Norm norm;
    const Matrix *one, *two;  // `two` may be NULL
    float *out, *out_two;
} ProjectionWork;

// Memory for the integers of a block of tokens.
static int16_t* token_memory(Arena* scratch, int width) {
    const size_t mark = scratch->used;
    int16_t* integers = arena_alloc(scratch, TOKEN_BLOCK * width * sizeof *integers);
    scratch->used = mark;
    return integers;
}

static void project_piece(const void* context, int piece, Arena* scratch) {
    const ProjectionWork* work = context;
    const int from = piece * TOKEN_BLOCK, count = min_int(TOKEN_BLOCK, work->count - from), width = work->width;
    int16_t* integers = token_memory(scratch, width);
    float gains[TOKEN_BLOCK];
    const Rows rows = {.values = integers, .stride = width * sizeof *integers, .gains = gains, .gains_stride = 1};
    quantise_normalised(work->x + (ptrdiff_t)from * width, count, width, work->norm, integers, gains);
    const int outputs = work->one->outputs, outputs_two = work->two ? work->two->outputs : 0;
    multiply(work->one, &rows, count,
             &(Result){.values = work->out + (ptrdiff_t)from * outputs, .stride = outputs, .epilogue = STORE});
    if (work->two)
        multiply(
            work->two, &rows, count,
            &(Result){
                .values = work->out_two + (ptrdiff_t)from * outputs_two, .stride = outputs_two, .epilogue = STORE});
}

// Multiply normalised tokens with one or two matrices.
static void project(ProjectionWork work, ThreadPool* pool) {
    token_memory(&pool->scratch[0], work.width);
    parallel_for(pool, project_piece, &work, pieces(work.count));
}

typedef struct {
    double sum, square;
} Sums;

typedef struct {
    const Layer* layer;
    const float* attended;
    float* x;
    int count, width;
    Sums* sums;  // one for each piece, so that the order of addition is fixed
    float mean, scale;
} FeedForwardWork;

typedef struct {
    int16_t* integers;
    float* hidden;
} FeedForwardMemory;

static FeedForwardMemory feed_forward_memory(Arena* scratch, int width) {
    const size_t mark = scratch->used;
    FeedForwardMemory memory = {.integers =
                                    arena_alloc(scratch, (size_t)TOKEN_BLOCK * 4 * width * sizeof *memory.integers)};
    memory.hidden = arena_floats(scratch, (size_t)TOKEN_BLOCK * 4 * width);
    scratch->used = mark;
    return memory;
}

static void feed_forward_piece(const void* context, int piece, Arena* scratch) {
    const FeedForwardWork* work = context;
    const Layer* layer = work->layer;
    const int from = piece * TOKEN_BLOCK, count = min_int(TOKEN_BLOCK, work->count - from), width = work->width;
    const FeedForwardMemory memory = feed_forward_memory(scratch, width);
    int16_t* integers = memory.integers;
    float* hidden = memory.hidden;
    float gains[TOKEN_BLOCK], *tokens = work->x + (ptrdiff_t)from * width;
    Rows rows = {.values = integers, .stride = width * sizeof *integers, .gains = gains, .gains_stride = 1};
    const Result added = {.values = tokens, .stride = width, .epilogue = ADD};
    quantise_rows(work->attended + (ptrdiff_t)from * width, width, count, width, LONG_BLOCK, integers, gains);
    multiply(&layer->output, &rows, count, &added);
    quantise_normalised(tokens, count, width, layer->feed_norm, integers, gains);
    multiply(&layer->expand, &rows, count, &(Result){.values = hidden, .stride = 4 * width, .epilogue = GELU});
    quantise_rows(hidden, 4 * width, count, 4 * width, LONG_BLOCK, integers, gains);
    rows.stride *= 4;
    multiply(&layer->contract, &rows, count, &added);
    double sum = 0, square = 0;
    for (int t = 0; t < count; t++) {
        Floats sums = splat(0), squares = splat(0);
        for (int i = 0; i < width; i += LANES) {
            Floats values = load(tokens + t * width + i);
            sums = sums + values, squares = multiply_add(values, values, squares);
        }
        sum += sum_of_lanes(sums), square += sum_of_lanes(squares);
    }
    work->sums[piece] = (Sums){sum, square};
}

static void normalise_piece(const void* context, int piece, Arena* scratch) {
    const FeedForwardWork* work = context;
    (void)scratch;
    const Norm norm = work->layer->output_norm;
    for (ptrdiff_t t = piece * TOKEN_BLOCK; t < min_int((piece + 1) * TOKEN_BLOCK, work->count); t++)
        for (int i = 0; i < work->width; i += LANES) {
            float* values = work->x + t * work->width + i;
            const Floats standard = (load(values) - splat(work->mean)) * splat(work->scale);
            store(values, multiply_add(standard, load(norm.gains + i), load(norm.offsets + i)));
        }
}

// Compute the rest of a layer: add the attention's output, then the feed-forward network, then normalise.
static void feed_forward(const Layer* layer, const float* attended, float* x, int count, int width,
                         ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    FeedForwardWork work = {.layer = layer,
                            .attended = attended,
                            .x = x,
                            .count = count,
                            .width = width,
                            .sums = arena_alloc(&pool->arena, pieces(count) * sizeof *work.sums)};
    feed_forward_memory(&pool->scratch[0], width);
    parallel_for(pool, feed_forward_piece, &work, pieces(count));
    // Normalisation with one mean and one deviation for all tokens.
    Sums total = {0, 0};
    for (int i = 0; !is_plan(&pool->arena) && i < pieces(count); i++)
        total.sum += work.sums[i].sum, total.square += work.sums[i].square;
    const double values = (double)count * width, mean = total.sum / values;
    work.mean = (float)mean, work.scale = (float)(1 / sqrt(total.square / values - mean * mean + EPSILON));
    parallel_for(pool, normalise_piece, &work, pieces(count));
    pool->arena.used = mark;
}

// Positional encoding of n: sines and cosines in turn. It is added after the first normalisation.
static void position_encoding(int n, int half, float* out) {
    for (int i = 0; i < half; i += 2) {
        const float phase = (float)n * expf((float)i * (-logf(MAX_PERIOD) / (float)half));
        out[i] = sinf(phase), out[i + 1] = cosf(phase);
    }
}

typedef struct {
    const LayerStack* stack;
    float* x;
    int frequencies;
} PositionWork;

static void add_positions_2d(const void* context, int t, Arena* scratch) {
    const PositionWork* work = context;
    (void)scratch;
    const int width = work->stack->width, half = width / 2;
    float frame[MAX_WIDTH / 2], frequency[MAX_WIDTH / 2];
    position_encoding(t, half, frame);
    for (int f = 0; f < work->frequencies; f++) {
        float* x = work->x + ((ptrdiff_t)t * work->frequencies + f) * width;
        position_encoding(f, half, frequency);
        normalise(x, width, work->stack->input_norm, x);
        for (int i = 0; i < half; i += LANES) {
            store(x + i, load(x + i) + load(frame + i));
            store(x + half + i, load(x + half + i) + load(frequency + i));
        }
    }
}

static void add_positions_1d(const void* context, int t, Arena* scratch) {
    const PositionWork* work = context;
    (void)scratch;
    const int width = work->stack->width, half = width / 2;
    float* x = work->x + (ptrdiff_t)t * width;
    normalise(x, width, work->stack->input_norm, x);
    for (int i = 0; i < half; i++) {
        const float phase = (float)t / powf(MAX_PERIOD, (float)i / (float)(half - 1));
        x[i] += cosf(phase), x[half + i] += sinf(phase);
    }
}

void transform(const Transformer* transformer, float* x, int frames, int frequencies, float* waveform, int length,
               ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int width = transformer->spectral.width, count = frames * frequencies;
    float* queries = arena_floats(&pool->arena, (size_t)count * width);
    float* queries_t = arena_floats(&pool->arena, (size_t)length * width);
    float* keys_values = arena_floats(&pool->arena, (size_t)count * 2 * width);
    float* keys_values_t = arena_floats(&pool->arena, (size_t)length * 2 * width);
    float* attended = arena_floats(&pool->arena, (size_t)(count > length ? count : length) * width);
    enter_stage(pool, PROJECTIONS);
    parallel_for(pool, add_positions_2d,
                 &(PositionWork){.stack = &transformer->spectral, .x = x, .frequencies = frequencies}, frames);
    parallel_for(pool, add_positions_1d, &(PositionWork){.stack = &transformer->waveform, .x = waveform}, length);
    for (int k = 0; k < LAYERS; k++) {
        const Layer *a = &transformer->spectral.layers[k], *b = &transformer->waveform.layers[k];
        const bool self_attention = k % 2 == 0;
        enter_stage(pool, PROJECTIONS);
        ProjectionWork of_x = {.x = x, .count = count, .width = width},
                       of_t = {.x = waveform, .count = length, .width = width};
        of_x.norm = a->query_norm, of_x.one = &a->queries, of_x.out = queries;
        of_t.norm = b->query_norm, of_t.one = &b->queries, of_t.out = queries_t;
        if (self_attention) {
            of_x.two = &a->keys_values, of_x.out_two = keys_values;
            of_t.two = &b->keys_values, of_t.out_two = keys_values_t;
        }
        project(of_x, pool);
        project(of_t, pool);
        if (!self_attention) {
            // Cross-attention: the layer of a branch computes its keys and values from the other branch.
            of_t = (ProjectionWork){.x = waveform,
                                    .count = length,
                                    .width = width,
                                    .norm = a->key_norm,
                                    .one = &a->keys_values,
                                    .out = keys_values_t};
            of_x = (ProjectionWork){.x = x,
                                    .count = count,
                                    .width = width,
                                    .norm = b->key_norm,
                                    .one = &b->keys_values,
                                    .out = keys_values};
            project(of_t, pool);
            project(of_x, pool);
        }
        enter_stage(pool, ATTENTION);
        attend(queries, count, self_attention ? keys_values : keys_values_t, self_attention ? count : length, width,
               attended, pool);
        enter_stage(pool, FEED_FORWARD);
        feed_forward(a, attended, x, count, width, pool);
        enter_stage(pool, ATTENTION);
        attend(queries_t, length, self_attention ? keys_values_t : keys_values, self_attention ? length : count,
               width, attended, pool);
        enter_stage(pool, FEED_FORWARD);
        feed_forward(b, attended, waveform, length, width, pool);
    }
    pool->arena.used = mark;
}
