#include "attention.h"

#include <math.h>
#include <string.h>

#define QUERY_BLOCK 48  // queries in a task
#define KEY_BLOCK 384   // keys whose scores are computed in one step
#define PANEL (2 * LANES)
// Softmax weights are integers up to WEIGHT_ONE. Their products with values are added as integers over SUM_BLOCK
// keys. No sum exceeds WEIGHT_ONE * sqrt(SUM_BLOCK) * VALUES_NORM = 2.144e9 < 2^31 (Cauchy-Schwarz).
#define WEIGHT_ONE 32767.0f
#define LOG2_WEIGHT_ONE 14.9999560f  // log2(WEIGHT_ONE)
#define SUM_BLOCK 64
#define VALUES_NORM 8180.0f
#define MASKED -1e30f

static const float zeros[KEY_BLOCK], ones[KEY_BLOCK] = {[0 ... KEY_BLOCK - 1] = 1};

_Static_assert(KEY_BLOCK % PANEL == 0 && KEY_BLOCK % SUM_BLOCK == 0, "blocks of keys have whole panels and sums");
_Static_assert(MAX_HEAD_SIZE % PANEL == 0, "gains of values are padded to whole panels");
// 8 is the square root of SUM_BLOCK.
_Static_assert(SUM_BLOCK == 64 && (int64_t)WEIGHT_ONE * 8 * (int64_t)VALUES_NORM < INT32_MAX,
               "sums must not overflow");

static size_t packed_keys(int key_count, int size) { return (size_t)round_up(key_count, PANEL) * size; }

static size_t packed_values(int key_count, int size) {
    return (size_t)round_up(key_count, PANEL) * round_up(size, PANEL);
}

Head allocate_head(Arena* arena, int key_count, int size) {
    Head head = {.key_count = key_count, .size = size};
    head.keys = arena_alloc(arena, packed_keys(key_count, size) * sizeof *head.keys);
    head.values = arena_alloc(arena, packed_values(key_count, size) * sizeof *head.values);
    return head;
}

static void pack_keys(Head* head, const float* keys, ptrdiff_t stride) {
    const int size = head->size;
    Peak peak = {0, 0};
    for (int i = 0; i < head->key_count; i++) update_peak(&peak, keys + i * stride, size, LONG_BLOCK);
    const float scale = scale_for(&peak, WEIGHTS_NORM);
    head->key_gain = 1 / scale;
    int16_t key[MAX_HEAD_SIZE];
    memset(key, 0, sizeof key);
    for (int i = 0; i < round_up(head->key_count, PANEL); i++) {
        if (i < head->key_count)
            quantise(keys + i * stride, size, scale, key);
        else
            memset(key, 0, sizeof key);
        int16_t* panel = head->keys + (size_t)(i / PANEL) * PANEL * size;
        for (int pair = 0; pair < size / 2; pair++)
            memcpy(panel + (pair * PANEL + i % PANEL) * 2, key + 2 * pair, 2 * sizeof *key);
    }
}

static void pack_values(Head* head, const float* values, ptrdiff_t stride) {
    const int size = head->size, width = round_up(size, PANEL);
    for (int d = 0; d < size; d += LANES) {
        Floats largest = splat(0);
        for (int from = 0; from < head->key_count; from += SUM_BLOCK) {
            Floats square = splat(0);
            for (int i = from; i < min_int(from + SUM_BLOCK, head->key_count); i++) {
                Floats value = load(values + i * stride + d);
                square = multiply_add(value, value, square);
            }
            largest = keep_nan(square, larger(largest, square));
        }
        const Floats norm = larger(splat(1e-30f), square_root(largest));
        store(head->value_gains + d, norm * splat(1 / VALUES_NORM));
    }
    memset(head->values, 0, packed_values(head->key_count, size) * sizeof *head->values);
    for (int from = 0; from < head->key_count; from += KEY_BLOCK) {
        const int length = min_int(KEY_BLOCK, round_up(head->key_count - from, PANEL));
        int16_t *block = head->values + (size_t)from * width, value[MAX_HEAD_SIZE];
        for (int i = 0; i < min_int(length, head->key_count - from); i++) {
            for (int d = 0; d < size; d += LANES)
                store_int16(value + d,
                            to_integers(load(values + (from + i) * stride + d) / load(head->value_gains + d)));
            for (int d = 0; d < size; d++)
                block[((d / PANEL * (length / 2) + i / 2) * PANEL + d % PANEL) * 2 + i % 2] = value[d];
        }
    }
    for (int d = 0; d < width; d++) head->value_gains[d] = d < size ? head->value_gains[d] / WEIGHT_ONE : 0;
}

// One step of the online softmax, for one query: turn scores into integer weights relative to the maximum so far, and
// rescale `mixture` and `sum` if the maximum rises.
static void softmax_step(float* scores, int length, int key_count, float* maximum, float* sum, float* mixture,
                         int size, int16_t* out) {
    Floats largest = splat(MASKED);
    for (int i = key_count; i < length; i++) scores[i] = MASKED;
    for (int i = 0; i < length; i += LANES) largest = larger(largest, load(scores + i));
    const float new_maximum = fmaxf(*maximum, largest_lane(largest));
    if (new_maximum > *maximum) {
        const Floats rescale = power_of_two(splat(*maximum - new_maximum));
        for (int d = 0; d < size; d += LANES) store(mixture + d, load(mixture + d) * rescale);
        *sum *= first_lane(rescale);
        *maximum = new_maximum;
    }
    // The weight's factor is part of the exponent. Sums are exact: fewer than 2^31 / WEIGHT_ONE integers.
    const Floats shift = splat(LOG2_WEIGHT_ONE - new_maximum);
    Integers sums = no_sum();
    for (int i = 0; i < length; i += LANES) {
        const Integers weight = to_integers(coarse_power_of_two(load(scores + i) + shift));
        sums = add_integers(sums, weight);
        store_int16(out + i, weight);
    }
    *sum += sum_of_lanes(to_floats(sums));
}

void pack_head(Head* head, const float* keys, const float* values, ptrdiff_t stride) {
    pack_keys(head, keys, stride);
    pack_values(head, values, stride);
}

AttentionMemory attention_memory(Arena* scratch, int size) {
    const size_t mark = scratch->used;
    AttentionMemory memory = {.integers = arena_alloc(scratch, QUERY_BLOCK * size * sizeof *memory.integers)};
    memory.weights = arena_alloc(scratch, QUERY_BLOCK * KEY_BLOCK * sizeof *memory.weights);
    memory.scores = arena_floats(scratch, QUERY_BLOCK * KEY_BLOCK);
    memory.mixture = arena_floats(scratch, QUERY_BLOCK * round_up(size, PANEL));
    scratch->used = mark;
    return memory;
}

// Compute the outputs of up to QUERY_BLOCK queries.
static void attend_block(const Head* head, const float* queries, int count, ptrdiff_t stride, float* out,
                         ptrdiff_t out_stride, const AttentionMemory* memory) {
    const int size = head->size, padded = round_up(size, PANEL);
    int16_t *integers = memory->integers, *weights = memory->weights;
    float *scores = memory->scores, *mixture = memory->mixture;
    float gains[QUERY_BLOCK], maximum[QUERY_BLOCK], sums[QUERY_BLOCK];
    memset(mixture, 0, QUERY_BLOCK * padded * sizeof *mixture);
    for (int t = 0; t < count; t++) {
        // e^x is computed as 2^(x log2(e)).
        gains[t] = quantise_row(queries + t * stride, size, LONG_BLOCK, integers + t * size) * head->key_gain *
                   LOG2_E / sqrtf(size);
        maximum[t] = MASKED;
        // Integer weights can't be NaN, so the sum is: if the query or a key is NaN or infinite, its gain is too.
        sums[t] = 0 * gains[t];
    }
    for (int from = 0; from < head->key_count; from += KEY_BLOCK) {
        const int key_count = min_int(KEY_BLOCK, head->key_count - from), length = round_up(key_count, PANEL);
        const Matrix keys = {
            .values = head->keys + (size_t)from * size,
            .gains = ones,
            .offsets = zeros,
            .depth = size,
            .outputs = length,
            .panels = length / PANEL,
            .vectors = 2,
            .parts = 1,
            .block = LONG_BLOCK,
        };
        const Rows rows = {.values = integers, .stride = size * sizeof *integers, .gains = gains, .gains_stride = 1};
        multiply(&keys, &rows, count, &(Result){.values = scores, .stride = KEY_BLOCK, .epilogue = STORE});
        for (int t = 0; t < count; t++)
            softmax_step(scores + t * KEY_BLOCK, length, key_count, &maximum[t], &sums[t], mixture + t * padded,
                         padded, weights + t * KEY_BLOCK);
        const Matrix values = {
            .values = head->values + (size_t)from * padded,
            .gains = head->value_gains,
            .offsets = zeros,
            .depth = length,
            .outputs = size,
            .panels = padded / PANEL,
            .vectors = 2,
            .parts = 1,
            .block = SUM_BLOCK,
        };
        multiply(&values, &(Rows){.values = weights, .stride = KEY_BLOCK * sizeof *weights}, count,
                 &(Result){.values = mixture, .stride = padded, .epilogue = ADD});
    }
    for (int t = 0; t < count; t++) {
        // NaN if a score was infinite.
        const Floats scale = splat(WEIGHT_ONE / sums[t] + 0 * maximum[t]);
        for (int d = 0; d < size; d += LANES) store(out + t * out_stride + d, load(mixture + t * padded + d) * scale);
    }
}

void attend_head(const Head* head, const float* queries, int count, ptrdiff_t stride, float* out,
                 ptrdiff_t out_stride, const AttentionMemory* memory) {
    for (int from = 0; from < count; from += QUERY_BLOCK)
        attend_block(head, queries + from * stride, min_int(QUERY_BLOCK, count - from), stride,
                     out + from * out_stride, out_stride, memory);
}

typedef struct {
    const float *queries, *keys_values;
    int count, width;
    Head* heads;
    float* out;
} Attention;

static void pack_task(const void* context, int index, Arena* scratch) {
    const Attention* work = context;
    (void)scratch;
    const float* keys = work->keys_values + index * work->heads[index].size;
    pack_head(&work->heads[index], keys, keys + work->width, 2 * work->width);
}

static int query_blocks(int count) { return ceil_div(count, QUERY_BLOCK); }

// Compute the outputs of a block of queries of one head.
static void attend_task(const void* context, int index, Arena* scratch) {
    const Attention* work = context;
    const int width = work->width, size = width / HEADS, number = index / query_blocks(work->count),
              from = index % query_blocks(work->count) * QUERY_BLOCK;
    const AttentionMemory memory = attention_memory(scratch, size);
    const ptrdiff_t start = (ptrdiff_t)from * width + number * size;
    attend_block(&work->heads[number], work->queries + start, min_int(QUERY_BLOCK, work->count - from), width,
                 work->out + start, width, &memory);
}

void attend(const float* queries, int count, const float* keys_values, int key_count, int width, float* out,
            ThreadPool* pool) {
    const size_t mark = pool->arena.used;
    const int size = width / HEADS;
    Head heads[HEADS];
    const Attention work = {
        .queries = queries, .keys_values = keys_values, .count = count, .width = width, .heads = heads, .out = out};
    for (int h = 0; h < HEADS; h++) heads[h] = allocate_head(&pool->arena, key_count, size);
    attention_memory(&pool->scratch[0], size);
    parallel_for(pool, pack_task, &work, HEADS);
    parallel_for(pool, attend_task, &work, HEADS * query_blocks(count));
    pool->arena.used = mark;
}
