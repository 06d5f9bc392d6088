#include "transformer.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define MAX_PERIOD 10000.0f
#define MOST_WIDTH 512

static Norm make_norm(Builder* builder, const char* prefix, const char* name, int width) {
    const Name whole = name_of("%s%s.", prefix, name);
    const float* gains = floats_of(builder, whole.text, "weight", width);
    return (Norm){gains, floats_of(builder, whole.text, "bias", width)};
}

// Rows `from` to `from + count` of the matrix that makes queries, keys and values.
static Matrix make_projection(Builder* builder, const char* prefix, int from, int count, int width) {
    const Order order = {.outputs = count,
                         .depth = width,
                         .n0 = count,
                         .n0_step = width,
                         .k0 = width,
                         .k0_step = 1,
                         .k1 = 1,
                         .base = (ptrdiff_t)from * width};
    return matrix_of(builder, prefix, "in_proj_weight", "in_proj_bias", from, &order, (Kind){0});
}

static Layer make_layer(Builder* builder, const char* prefix, bool cross, int width) {
    const Name attention = name_of("%s%s_attn.", prefix, cross ? "cross" : "self");
    const float* mixed = floats_of(builder, prefix, "gamma_1.scale", width);
    const float* fed = floats_of(builder, prefix, "gamma_2.scale", width);
    return (Layer){
        .seen = make_norm(builder, prefix, "norm1", width),
        .others = make_norm(builder, prefix, cross ? "norm2" : "norm1", width),
        .before = make_norm(builder, prefix, cross ? "norm3" : "norm2", width),
        .queries = make_projection(builder, attention.text, 0, width, width),
        .keys_values = make_projection(builder, attention.text, width, 2 * width, width),
        .mix = pointwise(builder, name_of("%sout_proj.", attention.text).text, width, width,
                         (Kind){.output_gains = mixed}),
        .widen = pointwise(builder, name_of("%slinear1.", prefix).text, 4 * width, width, (Kind){0}),
        .narrow =
            pointwise(builder, name_of("%slinear2.", prefix).text, width, 4 * width, (Kind){.output_gains = fed}),
        .whole = make_norm(builder, prefix, "norm_out", width),
    };
}

static Tower make_tower(Builder* builder, const char* suffix, int width) {
    Tower tower = {.width = width};
    const Name before = name_of("norm_in%s", suffix);
    tower.before = make_norm(builder, "crosstransformer.", before.text, width);
    for (int k = 0; k < LAYERS; k++)
        tower.layers[k] = make_layer(builder, name_of("crosstransformer.layers%s.%d.", suffix, k).text, k % 2, width);
    return tower;
}

Transformer make_transformer(Builder* builder, int width) {
    Transformer transformer = {.spectral = make_tower(builder, "", width)};
    transformer.waveform = make_tower(builder, "_t", width);
    return transformer;
}

// One token to mean 0 and deviation 1, with gains and offsets.
static void normalise(const float* x, int width, Norm norm, float* out) {
    Floats sum = all(0);
    for (int i = 0; i < width; i += LANES) sum = _mm512_add_ps(sum, load(x + i));
    const Floats mean = all(_mm512_reduce_add_ps(sum) / width);
    Floats square = all(0);
    for (int i = 0; i < width; i += LANES) {
        Floats centred = _mm512_sub_ps(load(x + i), mean);
        square = _mm512_fmadd_ps(centred, centred, square);
    }
    const Floats by = all(1 / sqrtf(_mm512_reduce_add_ps(square) / width + (float)EPSILON));
    for (int i = 0; i < width; i += LANES) {
        Floats centred = _mm512_mul_ps(_mm512_sub_ps(load(x + i), mean), by);
        store(out + i, _mm512_fmadd_ps(centred, load(norm.gains + i), load(norm.offsets + i)));
    }
}

static void quantise_normalised(const float* x, int count, int width, Norm norm, int16_t* integers, float* gains) {
    float row[MOST_WIDTH];
    for (int t = 0; t < count; t++) {
        normalise(x + (ptrdiff_t)t * width, width, norm, row);
        gains[t] = quantise_row(row, width, LONG_BLOCK, integers + t * width);
    }
}

static int pieces(int count) { return pieces_of(count, TOKENS); }

typedef struct {
    const float* x;
    int count, width;
    Norm norm;
    const Matrix *one, *two;  // two may be NULL
    float *out, *out_two;
} Projection;

static void project_piece(const void* context, int piece, Room* scratch) {
    const size_t mark = scratch->used;
    const Projection* work = context;
    const int from = piece * TOKENS, now = least(TOKENS, work->count - from), width = work->width;
    int16_t* integers = take(scratch, TOKENS * width * sizeof *integers);
    scratch->used = mark;
    if (measuring(scratch)) return;
    float gains[TOKENS];
    const Rows rows = {integers, width * sizeof *integers, 0, gains, 1, 0};
    quantise_normalised(work->x + (ptrdiff_t)from * width, now, width, work->norm, integers, gains);
    const int outputs = work->one->outputs, outputs_two = work->two ? work->two->outputs : 0;
    multiply(work->one, &rows, now,
             &(Result){.values = work->out + (ptrdiff_t)from * outputs, .stride = outputs, .finish = STORE});
    if (work->two)
        multiply(
            work->two, &rows, now,
            &(Result){
                .values = work->out_two + (ptrdiff_t)from * outputs_two, .stride = outputs_two, .finish = STORE});
}

// Tokens, normalised, times one matrix or two.
static void project(Projection work, Team* team) { share(team, project_piece, &work, pieces(work.count)); }

typedef struct {
    double sum, square;
} Sums;

typedef struct {
    const Layer* layer;
    const float* heads;
    float* x;
    int count, width;
    Sums* sums;  // of each piece, so that they are added up in one order
    float mean, by;
} Feeding;

static void feed_piece(const void* context, int piece, Room* scratch) {
    const size_t mark = scratch->used;
    const Feeding* work = context;
    const Layer* layer = work->layer;
    const int from = piece * TOKENS, now = least(TOKENS, work->count - from), width = work->width;
    int16_t* integers = take(scratch, (size_t)TOKENS * 4 * width * sizeof *integers);
    float* hidden = take_floats(scratch, (size_t)TOKENS * 4 * width);
    scratch->used = mark;
    if (measuring(scratch)) return;
    float gains[TOKENS], *tokens = work->x + (ptrdiff_t)from * width;
    Rows rows = {integers, width * sizeof *integers, 0, gains, 1, 0};
    const Result added = {.values = tokens, .stride = width, .finish = ADD};
    quantise_rows(work->heads + (ptrdiff_t)from * width, width, now, width, LONG_BLOCK, integers, gains);
    multiply(&layer->mix, &rows, now, &added);
    quantise_normalised(tokens, now, width, layer->before, integers, gains);
    multiply(&layer->widen, &rows, now, &(Result){.values = hidden, .stride = 4 * width, .finish = GELU});
    quantise_rows(hidden, 4 * width, now, 4 * width, LONG_BLOCK, integers, gains);
    rows.stride *= 4;
    multiply(&layer->narrow, &rows, now, &added);
    double sum = 0, square = 0;
    for (int t = 0; t < now; t++) {
        Floats sums = all(0), squares = all(0);
        for (int i = 0; i < width; i += LANES) {
            Floats values = load(tokens + t * width + i);
            sums = _mm512_add_ps(sums, values), squares = _mm512_fmadd_ps(values, values, squares);
        }
        sum += _mm512_reduce_add_ps(sums), square += _mm512_reduce_add_ps(squares);
    }
    work->sums[piece] = (Sums){sum, square};
}

static void normalise_piece(const void* context, int piece, Room* scratch) {
    const Feeding* work = context;
    if (measuring(scratch)) return;
    const Norm norm = work->layer->whole;
    for (ptrdiff_t t = piece * TOKENS; t < least((piece + 1) * TOKENS, work->count); t++)
        for (int i = 0; i < work->width; i += LANES) {
            float* values = work->x + t * work->width + i;
            Floats centred = _mm512_mul_ps(_mm512_sub_ps(load(values), all(work->mean)), all(work->by));
            store(values, _mm512_fmadd_ps(centred, load(norm.gains + i), load(norm.offsets + i)));
        }
}

// The rest of a layer: what was attended to is mixed in, and each token goes through the wide layer.
static void feed_forward(const Layer* layer, const float* heads, float* x, int count, int width, Team* team) {
    const size_t mark = team->room.used;
    Feeding work = {layer, heads, x, count, width, take(&team->room, pieces(count) * sizeof *work.sums), 0, 0};
    share(team, feed_piece, &work, pieces(count));
    // One mean and one deviation for all tokens together.
    Sums together = {0, 0};
    for (int i = 0; !measuring(&team->room) && i < pieces(count); i++)
        together.sum += work.sums[i].sum, together.square += work.sums[i].square;
    const double values = (double)count * width, mean = together.sum / values;
    work.mean = (float)mean, work.by = (float)(1 / sqrt(together.square / values - mean * mean + EPSILON));
    share(team, normalise_piece, &work, pieces(count));
    team->room.used = mark;
}

// Where tokens stand: added after their first normalisation. `along` has sines and cosines of a number in turn.
static void along(int n, int half, float* out) {
    for (int i = 0; i < half; i += 2) {
        const float phase = (float)n * expf((float)i * (-logf(MAX_PERIOD) / (float)half));
        out[i] = sinf(phase), out[i + 1] = cosf(phase);
    }
}

typedef struct {
    const Tower* tower;
    float* x;
    int frequencies;
} Placing;

static void place_frame(const void* context, int t, Room* scratch) {
    const Placing* work = context;
    if (measuring(scratch)) return;
    const int width = work->tower->width, half = width / 2;
    float frame[MOST_WIDTH / 2], frequency[MOST_WIDTH / 2];
    along(t, half, frame);
    for (int f = 0; f < work->frequencies; f++) {
        float* x = work->x + ((ptrdiff_t)t * work->frequencies + f) * width;
        along(f, half, frequency);
        normalise(x, width, work->tower->before, x);
        for (int i = 0; i < half; i += LANES) {
            store(x + i, _mm512_add_ps(load(x + i), load(frame + i)));
            store(x + half + i, _mm512_add_ps(load(x + half + i), load(frequency + i)));
        }
    }
}

static void place_on_line(const void* context, int t, Room* scratch) {
    const Placing* work = context;
    if (measuring(scratch)) return;
    const int width = work->tower->width, half = width / 2;
    float* x = work->x + (ptrdiff_t)t * width;
    normalise(x, width, work->tower->before, x);
    for (int i = 0; i < half; i++) {
        const float phase = (float)t / powf(MAX_PERIOD, (float)i / (float)(half - 1));
        x[i] += cosf(phase), x[half + i] += sinf(phase);
    }
}

void transform(const Transformer* transformer, float* x, int frames, int frequencies, float* waveform, int length,
               Team* team) {
    const size_t mark = team->room.used;
    const int width = transformer->spectral.width, count = frames * frequencies;
    float* queries = take_floats(&team->room, (size_t)count * width);
    float* queries_t = take_floats(&team->room, (size_t)length * width);
    float* seen = take_floats(&team->room, (size_t)count * 2 * width);
    float* seen_t = take_floats(&team->room, (size_t)length * 2 * width);
    float* heads = take_floats(&team->room, (size_t)(count > length ? count : length) * width);
    enter(team, PROJECTIONS);
    share(team, place_frame, &(Placing){&transformer->spectral, x, frequencies}, frames);
    share(team, place_on_line, &(Placing){&transformer->waveform, waveform, 0}, length);
    for (int k = 0; k < LAYERS; k++) {
        const Layer *a = &transformer->spectral.layers[k], *b = &transformer->waveform.layers[k];
        const bool own = k % 2 == 0;
        enter(team, PROJECTIONS);
        if (own) {
            project((Projection){x, count, width, a->seen, &a->queries, &a->keys_values, queries, seen}, team);
            project((Projection){waveform, length, width, b->seen, &b->queries, &b->keys_values, queries_t, seen_t},
                    team);
        } else {
            // What a branch is asked is said by the other's layer.
            project((Projection){x, count, width, a->seen, &a->queries, NULL, queries, NULL}, team);
            project((Projection){waveform, length, width, b->seen, &b->queries, NULL, queries_t, NULL}, team);
            project((Projection){waveform, length, width, a->others, &a->keys_values, NULL, seen_t, NULL}, team);
            project((Projection){x, count, width, b->others, &b->keys_values, NULL, seen, NULL}, team);
        }
        enter(team, ATTENTION);
        attend(queries, count, own ? seen : seen_t, own ? count : length, width, heads, team);
        enter(team, FEED_FORWARD);
        feed_forward(a, heads, x, count, width, team);
        enter(team, ATTENTION);
        attend(queries_t, length, own ? seen_t : seen, own ? length : count, width, heads, team);
        enter(team, FEED_FORWARD);
        feed_forward(b, heads, waveform, length, width, team);
    }
    team->room.used = mark;
}
