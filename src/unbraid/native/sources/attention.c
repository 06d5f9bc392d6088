#include "attention.h"

#include <math.h>
#include <string.h>

#define QUERIES 48  // worked on at once
#define KEYS 384    // seen at once
#define PANEL (2 * LANES)
// Probabilities are integers up to CERTAIN, added up over KEYS_BLOCK keys; the norm that this leaves to values.
#define CERTAIN 32767.0f
#define KEYS_BLOCK 64
#define VALUES_NORM 8180.0f
#define NEVER -1e30f

typedef struct {
    int seen, size;          // keys, and values in each
    int16_t *keys, *values;  // packed: all keys by panels; values by blocks of KEYS
    float key_gain, value_gains[2 * PANEL];
} Head;

typedef struct {
    const float *queries, *keys_values;
    int count, width;
    Head* heads;
    float* out;
    float none[KEYS], one[KEYS];
} Work;

static size_t packed_keys(int seen, int size) { return (size_t)rounded_up(seen, PANEL) * size; }

static size_t packed_values(int seen, int size) { return (size_t)rounded_up(seen, PANEL) * rounded_up(size, PANEL); }

static void pack_keys(Head* head, const float* keys, ptrdiff_t stride) {
    const int size = head->size;
    Peak peak = {0, 0};
    for (int i = 0; i < head->seen; i++) take_peak(&peak, keys + i * stride, size, LONG_BLOCK);
    const float scale = scale_for(&peak, WEIGHTS_NORM);
    head->key_gain = 1 / scale;
    int16_t key[2 * PANEL];
    memset(key, 0, sizeof key);
    for (int i = 0; i < rounded_up(head->seen, PANEL); i++) {
        if (i < head->seen)
            quantise(keys + i * stride, size, scale, key);
        else
            memset(key, 0, sizeof key);
        int16_t* panel = head->keys + (size_t)(i / PANEL) * PANEL * size;
        for (int pair = 0; pair < size / 2; pair++)
            memcpy(panel + (pair * PANEL + i % PANEL) * 2, key + 2 * pair, 2 * sizeof *key);
    }
}

static void pack_values(Head* head, const float* values, ptrdiff_t stride) {
    const int size = head->size, width = rounded_up(size, PANEL);
    for (int d = 0; d < size; d += LANES) {
        Floats largest = all(0);
        for (int from = 0; from < head->seen; from += KEYS_BLOCK) {
            Floats square = all(0);
            for (int i = from; i < least(from + KEYS_BLOCK, head->seen); i++) {
                Floats value = load(values + i * stride + d);
                square = _mm512_fmadd_ps(value, value, square);
            }
            // In this order, what is no number stays.
            largest = _mm512_max_ps(largest, square);
            largest = _mm512_mask_mov_ps(largest, _mm512_cmp_ps_mask(square, square, _CMP_UNORD_Q), square);
        }
        Floats norm = _mm512_max_ps(all(1e-30f), _mm512_sqrt_ps(largest));
        store(head->value_gains + d, _mm512_mul_ps(norm, all(1 / VALUES_NORM)));
    }
    memset(head->values, 0, packed_values(head->seen, size) * sizeof *head->values);
    for (int from = 0; from < head->seen; from += KEYS) {
        const int length = least(KEYS, rounded_up(head->seen - from, PANEL));
        int16_t *block = head->values + (size_t)from * width, value[PANEL * 2];
        for (int i = 0; i < least(length, head->seen - from); i++) {
            for (int d = 0; d < size; d += LANES) {
                Floats scaled = _mm512_div_ps(load(values + (from + i) * stride + d), load(head->value_gains + d));
                _mm256_storeu_si256((__m256i*)(value + d), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(scaled)));
            }
            for (int d = 0; d < size; d++)
                block[((d / PANEL * (length / 2) + i / 2) * PANEL + d % PANEL) * 2 + i % 2] = value[d];
        }
    }
    for (int d = 0; d < width; d++) head->value_gains[d] = d < size ? head->value_gains[d] / CERTAIN : 0;
}

// Scores of a row become integers, relative to the highest so far, to which `mixed` and `sum` are brought as well.
static void weigh(float* scores, int length, int seen, float* highest, float* sum, float* mixed, int size,
                  int16_t* out) {
    Floats largest = all(NEVER);
    for (int i = seen; i < length; i++) scores[i] = NEVER;
    for (int i = 0; i < length; i += LANES) largest = _mm512_max_ps(largest, load(scores + i));
    const float reached = fmaxf(*highest, _mm512_reduce_max_ps(largest));
    if (reached > *highest) {
        const Floats fade = power_of_two(all(*highest - reached));
        for (int d = 0; d < size; d += LANES) store(mixed + d, _mm512_mul_ps(load(mixed + d), fade));
        *sum *= _mm512_cvtss_f32(fade);
        *highest = reached;
    }
    Floats sums = all(0);
    for (int i = 0; i < length; i += LANES) {
        Floats weight = _mm512_mul_ps(power_of_two(_mm512_sub_ps(load(scores + i), all(reached))), all(CERTAIN));
        weight = _mm512_roundscale_ps(weight, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        sums = _mm512_add_ps(sums, weight);
        _mm256_storeu_si256((__m256i*)(out + i), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(weight)));
    }
    *sum += _mm512_reduce_add_ps(sums);
}

static void pack_head(const void* context, int index, Room* scratch) {
    const Work* work = context;
    Head* head = &work->heads[index];
    if (measuring(scratch)) return;
    const float* keys = work->keys_values + index * head->size;
    pack_keys(head, keys, 2 * work->width);
    pack_values(head, keys + work->width, 2 * work->width);
}

static int blocks(int count) { return pieces_of(count, QUERIES); }

// A block of queries of one head; the blocks of a head follow each other.
static void attend_block(const void* context, int index, Room* room) {
    const size_t mark = room->used;
    const Work* work = context;
    const int width = work->width, size = width / HEADS, padded = rounded_up(size, PANEL);
    int16_t* integers = take(room, QUERIES * size * sizeof *integers);
    int16_t* weights = take(room, QUERIES * KEYS * sizeof *weights);
    float *scores = take_floats(room, QUERIES * KEYS), *mixed = take_floats(room, QUERIES * padded);
    room->used = mark;
    if (measuring(room)) return;
    const int number = index / blocks(work->count), from_query = index % blocks(work->count) * QUERIES;
    const int count = least(QUERIES, work->count - from_query);
    const Head* head = &work->heads[number];
    const ptrdiff_t place = (ptrdiff_t)from_query * width + number * size;
    const float* queries = work->queries + place;
    float* out = work->out + place;
    float gains[QUERIES], highest[QUERIES], sums[QUERIES];
    memset(mixed, 0, QUERIES * padded * sizeof *mixed);
    for (int t = 0; t < count; t++) {
        // Scores are powers of two instead of e.
        gains[t] = quantise_row(queries + (ptrdiff_t)t * width, size, LONG_BLOCK, integers + t * size) *
                   head->key_gain * 1.44269504f / sqrtf(size);
        highest[t] = NEVER, sums[t] = 0;
    }
    for (int from = 0; from < head->seen; from += KEYS) {
        const int seen = least(KEYS, head->seen - from), length = rounded_up(seen, PANEL);
        const Matrix keys = {head->keys + (size_t)from * size,
                             work->one,
                             work->none,
                             size,
                             length,
                             length / PANEL,
                             2,
                             false,
                             1,
                             LONG_BLOCK};
        const Rows rows = {integers, size * sizeof *integers, 0, gains, 1, 0};
        multiply(&keys, &rows, count, &(Result){.values = scores, .stride = KEYS, .finish = STORE});
        for (int t = 0; t < count; t++)
            weigh(scores + t * KEYS, length, seen, &highest[t], &sums[t], mixed + t * padded, padded,
                  weights + t * KEYS);
        const Matrix values = {head->values + (size_t)from * padded,
                               head->value_gains,
                               work->none,
                               length,
                               size,
                               padded / PANEL,
                               2,
                               false,
                               1,
                               KEYS_BLOCK};
        multiply(&values, &(Rows){weights, KEYS * sizeof *weights, 0, NULL, 0, 0}, count,
                 &(Result){.values = mixed, .stride = padded, .finish = ADD});
    }
    for (int t = 0; t < count; t++)
        for (int d = 0; d < size; d += LANES)
            store(out + (ptrdiff_t)t * width + d,
                  _mm512_mul_ps(load(mixed + t * padded + d), all(CERTAIN / sums[t])));
}

void attend(const float* queries, int count, const float* keys_values, int seen, int width, float* out, Team* team) {
    const size_t mark = team->room.used;
    const int size = width / HEADS;
    Head heads[HEADS];
    Work work = {
        .queries = queries, .keys_values = keys_values, .count = count, .width = width, .heads = heads, .out = out};
    for (int i = 0; i < KEYS; i++) work.one[i] = 1;
    for (int h = 0; h < HEADS; h++) {
        heads[h] = (Head){.seen = seen, .size = size};
        heads[h].keys = take(&team->room, packed_keys(seen, size) * sizeof *heads[h].keys);
        heads[h].values = take(&team->room, packed_values(seen, size) * sizeof *heads[h].values);
    }
    share(team, pack_head, &work, HEADS);
    share(team, attend_block, &work, HEADS * blocks(count));
    team->room.used = mark;
}
