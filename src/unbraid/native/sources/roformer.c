#include "roformer.h"

#include <math.h>
#include <string.h>

#include "attention.h"
#include "balance.h"
#include "builder.h"

#define ROW_BLOCK 96     // tokens whose products are computed in one step
#define TASK_TOKENS 240  // tokens of short sequences that are one task
#define SHORTEST 1e-24f  // added to the square of a norm; the published norm has at least 1e-12

_Static_assert(ALIGNMENT % sizeof(Integers) == 0, "blocks of an arena are aligned for vectors");

typedef struct {
    const float *norm, *hidden_norm, *last_norms[MAX_ROFORMER_NORMS];  // gains
    Matrix projection, output, expand, contract;
} Block;

static int inner_width(const RoformerSizes* sizes) { return sizes->heads * sizes->head_width; }

static int projected_width(const RoformerSizes* sizes) { return 3 * inner_width(sizes) + sizes->heads; }

// Floats from token to token of the projection.
static int projected_stride(const RoformerSizes* sizes) { return round_up(projected_width(sizes), 16); }

static bool is_size(int value, int multiple, int most) {
    return multiple <= value && value <= most && value % multiple == 0;
}

static bool supported(const RoformerSizes* sizes) {
    return is_size(sizes->width, 16, MAX_WIDTH) && is_size(sizes->heads, 1, MAX_ROFORMER_HEADS) &&
           is_size(sizes->head_width, 32, MAX_HEAD_SIZE) && inner_width(sizes) <= MAX_DEPTH &&
           is_size(sizes->hidden, 16, MAX_DEPTH) && 0 <= sizes->norms && sizes->norms <= MAX_ROFORMER_NORMS &&
           is_size(sizes->items, 1, MAX_ROFORMER_LENGTH) && is_size(sizes->length, 1, MAX_ROFORMER_LENGTH);
}

// A copy of a vector of float32.
static float* read_vector(Builder* builder, const char* name, int count) {
    const void* values = find_tensor(builder, "", name, count);
    float* copy = arena_floats(&builder->arena, count);
    if (copy && values) memcpy(copy, values, count * sizeof *copy);
    return copy;
}

// A matrix of float16 and its offsets of float32 (`bias`; NULL: none). `norm`: gains of the inputs, which are
// balanced with the weights; NULL: not balanced.
static Matrix read_matrix(Builder* builder, const char* weight, const char* bias, int outputs, int inputs,
                          float* norm) {
    Matrix matrix = {.vectors = 2, .parts = 1, .block = LONG_BLOCK};
    const WeightLayout layout = {
        .outputs = outputs, .depth = inputs, .n0 = outputs, .n0_step = inputs, .k0 = inputs, .k0_step = 1, .k1 = 1};
    const int padded = round_up(outputs, 2 * LANES);
    const uint16_t* weights = find_tensor(builder, "", weight, (int64_t)outputs * inputs);
    const void* biases = bias ? find_tensor(builder, "", bias, outputs) : NULL;
    void* values = arena_alloc(&builder->arena, packed_bytes(outputs, inputs, 2, false));
    float *gains = arena_floats(&builder->arena, padded), *offsets = arena_floats(&builder->arena, padded);
    if (!values || builder->error) return matrix;
    float input_gains[MAX_WIDTH];
    if (norm) balance_channels(norm, NULL, weights, outputs, inputs, input_gains);
    pack_matrix(&matrix, weights, &layout, NULL, norm ? input_gains : NULL, NULL, false, values, gains, offsets);
    if (biases) memcpy(offsets, biases, outputs * sizeof *offsets);
    return matrix;
}

static void read_block(Builder* builder, const RoformerSizes* sizes) {
    Block read = {0}, *block = arena_alloc(&builder->arena, sizeof read);
    const int width = sizes->width;
    float *norm = read_vector(builder, "norm", width), *hidden_norm = read_vector(builder, "hidden_norm", width);
    read.norm = norm, read.hidden_norm = hidden_norm;
    read.projection =
        read_matrix(builder, "projection.weight", "projection.bias", projected_width(sizes), width, norm);
    read.output = read_matrix(builder, "output.weight", NULL, width, inner_width(sizes), NULL);
    read.expand = read_matrix(builder, "expand.weight", "expand.bias", sizes->hidden, width, hidden_norm);
    read.contract = read_matrix(builder, "contract.weight", "contract.bias", width, sizes->hidden, NULL);
    for (int i = 0; i < sizes->norms; i++)
        read.last_norms[i] = read_vector(builder, format_name("norm.%d", i).text, width);
    if (block) *block = read;
}

// Memory of a task.
typedef struct {
    float* projected;  // (tokens of the task, projected_stride)
    Head head;
    AttentionMemory attention;
    int16_t* integers;  // a block of rows of any matrix
    float* hidden;
} TaskMemory;

static int task_items(const RoformerSizes* sizes) {
    const int items = TASK_TOKENS / sizes->length;
    return items < 1 ? 1 : min_int(items, sizes->items);
}

static TaskMemory task_memory(const RoformerSizes* sizes, Arena* scratch) {
    const size_t mark = scratch->used, tokens = (size_t)task_items(sizes) * sizes->length;
    const int inner = inner_width(sizes), wider = sizes->width > inner ? sizes->width : inner,
              widest = wider > sizes->hidden ? wider : sizes->hidden;
    TaskMemory memory = {.projected = arena_floats(scratch, tokens * projected_stride(sizes))};
    memory.head = allocate_head(scratch, sizes->length, sizes->head_width);
    memory.integers = arena_alloc(scratch, (size_t)ROW_BLOCK * widest * sizeof *memory.integers);
    memory.hidden = arena_floats(scratch, (size_t)ROW_BLOCK * sizes->hidden);
    memory.attention = attention_memory(scratch, sizes->head_width);
    scratch->used = mark;
    return memory;
}

// Reciprocal of the root mean square of a token.
static float reciprocal_norm(const float* x, int width) {
    Floats square = splat(0);
    for (int i = 0; i < width; i += LANES) {
        const Floats values = load(x + i);
        square = multiply_add(values, values, square);
    }
    return 1 / sqrtf((sum_of_lanes(square) + SHORTEST) / (float)width);
}

// Normalise and quantise `count` tokens.
static void quantise_tokens(const float* x, int count, int width, const float* norm, int16_t* integers,
                            float* gains) {
    float row[MAX_WIDTH];
    for (int t = 0; t < count; t++, x += width) {
        for (int i = 0; i < width; i += LANES) store(row + i, load(x + i) * load(norm + i));
        gains[t] = quantise_row(row, width, LONG_BLOCK, integers + t * width) * reciprocal_norm(x, width);
    }
}

typedef struct {
    const RoformerSizes* sizes;
    const Block* block;
    const float* rotation;
    float *tokens, *out;
} Work;

static void project(const Work* work, const float* x, int count, const TaskMemory* memory) {
    const int width = work->sizes->width, stride = projected_stride(work->sizes);
    float gains[ROW_BLOCK];
    const Rows rows = {
        .values = memory->integers, .stride = width * sizeof *memory->integers, .gains = gains, .gains_stride = 1};
    for (int from = 0; from < count; from += ROW_BLOCK) {
        const int rows_now = min_int(ROW_BLOCK, count - from);
        quantise_tokens(x + (ptrdiff_t)from * width, rows_now, width, work->block->norm, memory->integers, gains);
        multiply(
            &work->block->projection, &rows, rows_now,
            &(Result){.values = memory->projected + (ptrdiff_t)from * stride, .stride = stride, .epilogue = STORE});
    }
}

// Rotary position embedding of the queries and keys of a token: Su et al., "RoFormer" (arXiv 2104.09864).
static void rotate(float* x, int heads, int half, const float* rotation) {
    for (int head = 0; head < 2 * heads; head++, x += 2 * half)
        for (int i = 0; i < half; i += LANES) {
            const Floats cosine = load(rotation + i), sine = load(rotation + half + i);
            const Floats first = load(x + i), second = load(x + half + i);
            store(x + i, first * cosine - second * sine);
            store(x + half + i, second * cosine + first * sine);
        }
}

// Replace the queries of a sequence by the outputs of the attention, times their gates.
static void attend_sequence(const Work* work, float* projected, TaskMemory* memory) {
    const RoformerSizes* sizes = work->sizes;
    const int length = sizes->length, heads = sizes->heads, size = sizes->head_width, inner = inner_width(sizes);
    const ptrdiff_t stride = projected_stride(sizes);
    for (int t = 0; t < length; t++)
        rotate(projected + t * stride, heads, size / 2, work->rotation + (ptrdiff_t)t * size);
    for (int head = 0; head < heads; head++) {
        float *queries = projected + head * size, *keys = queries + inner, *values = keys + inner;
        pack_head(&memory->head, keys, values, stride);
        attend_head(&memory->head, queries, length, stride, queries, stride, &memory->attention);
    }
    for (int t = 0; t < length; t++) {
        float *row = projected + t * stride, gates[MAX_ROFORMER_HEADS + LANES];
        for (int head = 0; head < heads; head += LANES)
            store(gates + head, sigmoid(load_first(row + 3 * inner + head, min_int(LANES, heads - head))));
        for (int i = 0; i < inner; i += LANES) store(row + i, load(row + i) * splat(gates[i / size]));
    }
}

// Add the attention's outputs and the hidden layer to up to ROW_BLOCK tokens.
static void add_outputs(const Work* work, const float* attended, float* x, int count, const TaskMemory* memory) {
    const Block* block = work->block;
    const int width = work->sizes->width, inner = inner_width(work->sizes), hidden = work->sizes->hidden;
    int16_t* integers = memory->integers;
    float gains[ROW_BLOCK];
    Rows rows = {.values = integers, .stride = inner * sizeof *integers, .gains = gains, .gains_stride = 1};
    const Result added = {.values = x, .stride = width, .epilogue = ADD};
    quantise_rows(attended, projected_stride(work->sizes), count, inner, LONG_BLOCK, integers, gains);
    multiply(&block->output, &rows, count, &added);
    quantise_tokens(x, count, width, block->hidden_norm, integers, gains);
    rows.stride = width * sizeof *integers;
    multiply(&block->expand, &rows, count, &(Result){.values = memory->hidden, .stride = hidden, .epilogue = GELU});
    quantise_rows(memory->hidden, hidden, count, hidden, LONG_BLOCK, integers, gains);
    rows.stride = hidden * sizeof *integers;
    multiply(&block->contract, &rows, count, &added);
}

static void normalise(float* x, int width, const float* norm) {
    const Floats scale = splat(reciprocal_norm(x, width));
    for (int i = 0; i < width; i += LANES) store(x + i, load(x + i) * scale * load(norm + i));
}

// Compute a few sequences.
static void transform_items(const void* context, int index, Arena* scratch) {
    const Work* work = context;
    const RoformerSizes* sizes = work->sizes;
    const int width = sizes->width, length = sizes->length, first = index * task_items(sizes),
              items = min_int(task_items(sizes), sizes->items - first), count = items * length;
    const ptrdiff_t stride = projected_stride(sizes);
    TaskMemory memory = task_memory(sizes, scratch);
    float* tokens = work->tokens + (ptrdiff_t)first * length * width;
    project(work, tokens, count, &memory);
    for (int item = 0; item < items; item++)
        attend_sequence(work, memory.projected + item * length * stride, &memory);
    for (int from = 0; from < count; from += ROW_BLOCK)
        add_outputs(work, memory.projected + from * stride, tokens + (ptrdiff_t)from * width,
                    min_int(ROW_BLOCK, count - from), &memory);
    for (int t = 0; t < count; t++) {
        float* token = tokens + (ptrdiff_t)t * width;
        for (int i = 0; i < sizes->norms; i++) normalise(token, width, work->block->last_norms[i]);
        if (!work->out) continue;
        const ptrdiff_t place = (ptrdiff_t)(t % length) * sizes->items + first + t / length;
        memcpy(work->out + place * width, token, width * sizeof *token);
    }
}

static size_t scratch_bytes(const RoformerSizes* sizes) {
    Arena plan = {0};
    task_memory(sizes, &plan);
    return plan.peak;
}

uint64_t roformer_weights_bytes(const RoformerSizes* sizes) {
    if (!supported(sizes)) return 0;
    Builder builder = {0};
    read_block(&builder, sizes);
    return builder.arena.peak;
}

int32_t roformer_pack(const RoformerSizes* sizes, int32_t count, const char* const* names, const void* const* values,
                      const int64_t* lengths, void* weights, uint64_t weights_bytes) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (weights_bytes < roformer_weights_bytes(sizes)) return SMALL_MEMORY;
    Builder builder = {.count = count,
                       .names = names,
                       .values = (const uint16_t* const*)values,
                       .lengths = lengths,
                       .arena = {.memory = weights}};
    read_block(&builder, sizes);
    return builder.error;
}

uint64_t roformer_workspace_bytes(const RoformerSizes* sizes, int32_t threads) {
    return supported(sizes) ? clamp_threads(threads) * scratch_bytes(sizes) : 0;
}

int32_t roformer_run(const RoformerSizes* sizes, const void* weights, void* workspace, uint64_t workspace_bytes,
                     int32_t threads, int32_t* active, const float* rotation, float* tokens, float* out) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (workspace_bytes < roformer_workspace_bytes(sizes, threads)) return SMALL_MEMORY;
    ThreadPool pool = {.arena = {.memory = workspace}, .active = (atomic_int*)active};
    for (int i = 0; i < clamp_threads(threads); i++)
        pool.scratch[i].memory = (char*)workspace + i * scratch_bytes(sizes);
    pool_start(&pool, clamp_threads(threads));
    const Work work = {.sizes = sizes, .block = weights, .rotation = rotation, .tokens = tokens, .out = out};
    parallel_for(&pool, transform_items, &work, ceil_div(sizes->items, task_items(sizes)));
    pool_stop(&pool);
    return DONE;
}
