#include "waveform.h"

#include <string.h>

#define ROWS 252  // that are worked on at once, while they are in the cache

static int pieces(int count) { return pieces_of(count, ROWS); }

// Computed with floats alone: it takes a tenth of the time of a network, and what it loses would count most.
WaveformEncoder make_waveform_encoder(Builder* builder, int level, int channels_in, int channels) {
    const Name prefix = name_of("tencoder.%d.", level);
    return (WaveformEncoder){
        .channels_in = channels_in,
        .channels = channels,
        .conv = convolution(builder, name_of("%sconv.", prefix.text).text, channels, channels_in, 8,
                            (Kind){.floats = true}),
        .rewrite = pointwise(builder, name_of("%srewrite.", prefix.text).text, 2 * channels, channels,
                             (Kind){.gated = true, .floats = true}),
        .residual = make_residual(builder, prefix.text, channels, true),
    };
}

// Room for `length` rows between `around` rows of zeros; where it measures, NULL.
static float* take_between_zeros(Room* room, int length, int channels, int around) {
    const size_t zeros = (size_t)around * channels, values = (size_t)length * channels;
    float* whole = take_floats(room, values + 2 * zeros);
    if (measuring(room)) return NULL;
    memset(whole, 0, zeros * sizeof *whole);
    memset(whole + zeros + values, 0, zeros * sizeof *whole);
    return whole + zeros;
}

typedef struct {
    const WaveformEncoder* layer;
    const float* x;
    int length, shorter;
    float *y, *out;
} Encoding;

static void narrow_piece(const void* context, int piece, Room* room) {
    const size_t mark = room->used;
    const Encoding* work = context;
    const int in = work->layer->channels_in, channels = work->layer->channels, from = piece * ROWS;
    const int count = least(ROWS, work->shorter - from), begin = STRIDE * from - PADDING;
    const int end = begin + STRIDE * count + 2 * PADDING;
    float* edge = take_floats(room, (size_t)(STRIDE * ROWS + 2 * PADDING) * in);
    room->used = mark;
    if (measuring(room)) return;
    const float* seen = work->x + (ptrdiff_t)begin * in;
    if (begin < 0 || end > work->length) {
        const int first_row = begin < 0 ? 0 : begin, last_row = least(end, work->length);
        memset(edge, 0, (size_t)(end - begin) * in * sizeof *edge);
        memcpy(edge + (first_row - begin) * in, work->x + (ptrdiff_t)first_row * in,
               (size_t)(last_row - first_row) * in * sizeof *edge);
        seen = edge;
    }
    multiply(&work->layer->conv, &(Rows){.values = seen, .stride = STRIDE * in * sizeof *seen}, count,
             &(Result){.values = work->y + (ptrdiff_t)from * channels, .stride = channels, .finish = GELU});
}

static void gate_piece(const void* context, int piece, Room* room) {
    const Encoding* work = context;
    const int channels = work->layer->channels, from = piece * ROWS, count = least(ROWS, work->shorter - from);
    if (measuring(room)) return;
    const float* y = work->y + (ptrdiff_t)from * channels;
    multiply(&work->layer->rewrite, &(Rows){.values = y, .stride = channels * sizeof *y}, count,
             &(Result){.values = work->out + (ptrdiff_t)from * channels, .stride = channels, .finish = GATE});
}

void encode_waveform(const WaveformEncoder* layer, const float* x, int length, float* out, Team* team) {
    const size_t mark = team->room.used;
    const int channels = layer->channels, shorter = (length + STRIDE - 1) / STRIDE;
    // The zeros are for the residual branches.
    float* y = take_between_zeros(&team->room, shorter, channels, DILATIONS);
    const Encoding work = {layer, x, length, shorter, y, out};
    share(team, narrow_piece, &work, pieces(shorter));
    add_residual(&layer->residual, y, channels, shorter, &team->room, team);
    share(team, gate_piece, &work, pieces(shorter));
    team->room.used = mark;
}

WaveformDecoder make_waveform_decoder(Builder* builder, int level, int channels, int channels_out, bool last) {
    const Name prefix = name_of("tdecoder.%d.", level);
    return (WaveformDecoder){
        .channels = channels,
        .channels_out = channels_out,
        .rewrite = convolution(builder, name_of("%srewrite.", prefix.text).text, 2 * channels, channels, 3,
                               (Kind){.gated = true, .block = SHORT_BLOCK, .parts = 3}),
        .conv = transposed(builder, name_of("%sconv_tr.", prefix.text).text, channels, channels_out,
                           (Kind){.floats = last, .block = SHORT_BLOCK, .parts = last ? 1 : 2}),
        .residual = make_residual(builder, prefix.text, channels, false),
        .last = last,
    };
}

typedef struct {
    const WaveformDecoder* layer;
    const float *x, *skip;
    int length;
    float* y;  // what goes into the transposed convolution, between rows of zeros
    float* out;
} Decoding;

static void rewrite_piece(const void* context, int piece, Room* room) {
    const size_t mark = room->used;
    const Decoding* work = context;
    const int channels = work->layer->channels, from = piece * ROWS, count = least(ROWS, work->length - from);
    int16_t* integers = take(room, (size_t)(ROWS + 2) * channels * sizeof *integers);
    float* gains = take_floats(room, ROWS + 2);
    room->used = mark;
    if (measuring(room)) return;
    float sums[MOST_CHANNELS];
    for (int i = 0; i < count + 2; i++) {
        const int t = from - 1 + i;
        const bool inside = t >= 0 && t < work->length;
        for (int c = 0; c < channels; c += LANES) {
            const ptrdiff_t place = (ptrdiff_t)t * channels + c;
            store(sums + c, inside ? _mm512_add_ps(load(work->x + place), load(work->skip + place)) : all(0));
        }
        gains[i] = quantise_row(sums, channels, SHORT_BLOCK, integers + i * channels);
    }
    const ptrdiff_t bytes = channels * sizeof *integers;
    multiply(&work->layer->rewrite, &(Rows){integers, bytes, bytes, gains, 1, 1}, count,
             &(Result){.values = work->y + (ptrdiff_t)from * channels, .stride = channels, .finish = GATE});
}

static void widen_piece(const void* context, int piece, Room* room) {
    const size_t mark = room->used;
    const Decoding* work = context;
    const WaveformDecoder* layer = work->layer;
    const int channels = layer->channels, from = piece * ROWS, count = least(ROWS, work->length + 1 - from);
    const int four = STRIDE * layer->channels_out;
    int16_t* integers = take(room, (size_t)(ROWS + 1) * channels * sizeof *integers);
    float* gains = take_floats(room, ROWS + 1);
    room->used = mark;
    if (measuring(room)) return;
    const float* seen = work->y + (ptrdiff_t)(from - 1) * channels;
    const ptrdiff_t bytes = channels * sizeof *integers;
    Rows rows = {.values = seen, .stride = channels * sizeof *seen};
    if (!layer->last) {
        quantise_rows(seen, channels, count + 1, channels, SHORT_BLOCK, integers, gains);
        rows = (Rows){integers, bytes, bytes, gains, 1, 1};
    }
    multiply(&layer->conv, &rows, count,
             &(Result){
                 .values = work->out + (ptrdiff_t)from * four, .stride = four, .finish = layer->last ? STORE : GELU});
}

void decode_waveform(const WaveformDecoder* layer, const float* x, const float* skip, int length, float* out,
                     Team* team) {
    const size_t mark = team->room.used;
    const int channels = layer->channels;
    float* y = take_between_zeros(&team->room, length, channels, 1);
    const Decoding work = {layer, x, skip, length, y, out};
    share(team, rewrite_piece, &work, pieces(length));
    add_residual(&layer->residual, y, channels, length, &team->room, team);
    share(team, widen_piece, &work, pieces(length + 1));
    team->room.used = mark;
}
