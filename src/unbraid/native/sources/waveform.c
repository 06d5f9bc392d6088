#include "waveform.h"

#include <string.h>

#define ROWS 252  // that are worked on at once, while they are in the cache

static int least(int a, int b) { return a < b ? a : b; }

WaveformEncoder make_waveform_encoder(Builder *builder, int level, int channels_in, int channels) {
    const Name prefix = name_of("tencoder.%d.", level);
    return (WaveformEncoder){
        .channels_in = channels_in,
        .channels = channels,
        .conv = convolution(builder, name_of("%sconv.", prefix.text).text, channels, channels_in, 8,
                            (Kind){.floats = channels_in < LANES, .block = SHORT_BLOCK}),
        .rewrite = pointwise(builder, name_of("%srewrite.", prefix.text).text, 2 * channels, channels,
                             (Kind){.gated = true, .block = SHORT_BLOCK}),
        .residual = make_residual(builder, prefix.text, channels),
    };
}

// Integers of rows `from` to `to`, each with a gain; zero where there are none.
static void quantise_rows(const float *x, int from, int to, int length, int channels, int16_t *out, float *gains) {
    for (int t = from; t < to; t++, out += channels, gains++)
        if (t < 0 || t >= length) {
            memset(out, 0, channels * sizeof *out);
            *gains = 0;
        } else
            *gains = quantise_row(x + (ptrdiff_t)t * channels, channels, SHORT_BLOCK, out);
}

void encode_waveform(const WaveformEncoder *layer, const float *x, int length, float *out, Room *room) {
    const size_t mark = room->used;
    const int in = layer->channels_in, channels = layer->channels, shorter = (length + STRIDE - 1) / STRIDE;
    const int seen = (STRIDE * ROWS + 2 * PADDING) * in;
    int16_t *integers = take(room, (size_t)(seen > ROWS * channels ? seen : ROWS * channels) * sizeof *integers);
    float *gains = take_floats(room, STRIDE * ROWS + 2 * PADDING), *y = take_floats(room, (size_t)shorter * channels);
    if (measuring(room)) {
        add_residual(&layer->residual, y, channels, shorter, room);
        room->used = mark;
        return;
    }
    for (int from = 0; from < shorter; from += ROWS) {
        const int count = least(ROWS, shorter - from), begin = STRIDE * from - PADDING;
        const Result result = {.values = y + (ptrdiff_t)from * channels, .stride = channels, .finish = GELU};
        if (layer->conv.floats) {
            const Rows rows = {x + begin * in, STRIDE * in * sizeof *x, 1, 0, NULL, 0, 0};
            multiply(&layer->conv, &rows, count, &result);
            continue;
        }
        quantise_rows(x, begin, begin + STRIDE * count + 2 * PADDING, length, in, integers, gains);
        const ptrdiff_t bytes = in * sizeof *integers;
        const Rows rows = {integers, STRIDE * bytes, 8, bytes, gains, STRIDE, 1};
        multiply(&layer->conv, &rows, count, &result);
    }
    add_residual(&layer->residual, y, channels, shorter, room);
    for (int from = 0; from < shorter; from += ROWS) {
        const int count = least(ROWS, shorter - from);
        quantise_rows(y, from, from + count, shorter, channels, integers, gains);
        const Rows rows = {integers, channels * sizeof *integers, 1, 0, gains, 1, 0};
        multiply(&layer->rewrite, &rows, count,
                 &(Result){.values = out + (ptrdiff_t)from * channels, .stride = channels, .finish = GATE});
    }
    room->used = mark;
}

WaveformDecoder make_waveform_decoder(Builder *builder, int level, int channels, int channels_out, bool last) {
    const Name prefix = name_of("tdecoder.%d.", level);
    return (WaveformDecoder){
        .channels = channels,
        .channels_out = channels_out,
        .rewrite = convolution(builder, name_of("%srewrite.", prefix.text).text, 2 * channels, channels, 3,
                               (Kind){.gated = true, .block = SHORT_BLOCK}),
        .conv = transposed(builder, name_of("%sconv_tr.", prefix.text).text, channels, channels_out,
                           (Kind){.floats = last, .block = SHORT_BLOCK}),
        .residual = make_residual(builder, prefix.text, channels),
        .last = last,
    };
}

void decode_waveform(const WaveformDecoder *layer, float *x, const float *skip, int length, float *out, Room *room) {
    const size_t mark = room->used;
    const int channels = layer->channels, four = STRIDE * layer->channels_out;
    int16_t *integers = take(room, (size_t)(ROWS + 2) * channels * sizeof *integers);
    float *gains = take_floats(room, ROWS + 2);
    // A row of zeros on either side.
    float *around = take_floats(room, (size_t)(length + 2) * channels), *y = around + channels;
    if (measuring(room)) {
        add_residual(&layer->residual, y, channels, length, room);
        room->used = mark;
        return;
    }
    memset(around, 0, channels * sizeof *around);
    memset(y + (ptrdiff_t)length * channels, 0, channels * sizeof *around);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)length * channels; i += LANES)
        store(x + i, _mm512_add_ps(load(x + i), load(skip + i)));
    const ptrdiff_t bytes = channels * sizeof *integers;
    for (int from = 0; from < length; from += ROWS) {
        const int count = least(ROWS, length - from);
        quantise_rows(x, from - 1, from + count + 1, length, channels, integers, gains);
        multiply(&layer->rewrite, &(Rows){integers, bytes, 3, bytes, gains, 1, 1}, count,
                 &(Result){.values = y + (ptrdiff_t)from * channels, .stride = channels, .finish = GATE});
    }
    add_residual(&layer->residual, y, channels, length, room);
    for (int from = 0; from < length + 1; from += ROWS) {
        const int count = least(ROWS, length + 1 - from);
        if (!layer->last) quantise_rows(y, from - 1, from + count, length, channels, integers, gains);
        const Rows rows = layer->last
                              ? (Rows){around + (ptrdiff_t)from * channels, channels * sizeof *y, 1, 0, NULL, 0, 0}
                              : (Rows){integers, bytes, 2, bytes, gains, 1, 1};
        multiply(&layer->conv, &rows, count,
                 &(Result){.values = out + (ptrdiff_t)from * four, .stride = four, .finish = layer->last ? STORE : GELU});
    }
    room->used = mark;
}
