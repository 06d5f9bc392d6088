#include "spectral.h"

#include <string.h>

#define SEEN 8     // frequencies that one is made of
#define STRIP 384  // channels of all frequencies of a strip, which is worked on while it is in the cache

static int strip_of(int channels) { return channels < STRIP ? STRIP / channels : 1; }

static int strips(int places, int channels) { return pieces_of(places, strip_of(channels)); }

// Its convolutions compute with floats: they are a small part of a network, and what they lose would count most.
SpectralEncoder make_spectral_encoder(Builder* builder, int level, int channels_in, int channels, int frequencies) {
    const Name prefix = name_of("encoder.%d.", level);
    return (SpectralEncoder){
        .channels_in = channels_in,
        .channels = channels,
        .frequencies = frequencies,
        .conv = convolution(builder, name_of("%sconv.", prefix.text).text, channels, channels_in, SEEN,
                            (Kind){.floats = true}),
        .rewrite = pointwise(builder, name_of("%srewrite.", prefix.text).text, 2 * channels, channels,
                             (Kind){.gated = true, .floats = true}),
        .residual = make_residual(builder, prefix.text, channels, false),
    };
}

typedef struct {
    const SpectralEncoder* layer;
    const float* x;
    int frames;
    float* out;
} Encoding;

// What a frequency is made of, (frames, SEEN, channels_in): where it lies, or copied to `edge`, as there are zeros
// beyond the frequencies there are.
static Rows seen_by(const Encoding* work, int frequency, float* edge) {
    const int in = work->layer->channels_in, there = STRIDE * work->layer->frequencies;
    const int begin = STRIDE * frequency - PADDING, end = begin + SEEN;
    if (begin >= 0 && end <= there)
        return (Rows){.values = work->x + begin * in, .stride = there * in * sizeof *work->x};
    const int from = begin < 0 ? 0 : begin, to = least(end, there);
    memset(edge, 0, (size_t)work->frames * SEEN * in * sizeof *edge);
    for (ptrdiff_t t = 0; t < work->frames; t++)
        memcpy(edge + (t * SEEN + from - begin) * in, work->x + (t * there + from) * in,
               (to - from) * in * sizeof *edge);
    return (Rows){.values = edge, .stride = SEEN * in * sizeof *edge};
}

static void encode_strip(const void* context, int index, Room* room) {
    const size_t mark = room->used;
    const Encoding* work = context;
    const SpectralEncoder* layer = work->layer;
    const int channels = layer->channels, frames = work->frames, from = index * strip_of(channels);
    const int width = least(strip_of(channels), layer->frequencies - from);
    float* strip = take_floats(room, (size_t)frames * width * channels);
    float* edge = take_floats(room, (size_t)frames * SEEN * layer->channels_in);
    const ptrdiff_t stride = width * channels;
    for (int f = 0; f < width && !measuring(room); f++) {
        const Rows rows = seen_by(work, from + f, edge);
        multiply(&layer->conv, &rows, frames,
                 &(Result){.values = strip + f * channels, .stride = stride, .finish = GELU});
    }
    for (int f = 0; f < width; f++)
        add_residual(&layer->residual, measuring(room) ? NULL : strip + f * channels, stride, frames, room, NULL);
    for (int f = 0; f < width && !measuring(room); f++) {
        const Result result = {
            .values = work->out + (from + f) * channels,
            .stride = layer->frequencies * channels,
            .finish = GATE,
            .extra = layer->embedding ? layer->embedding + (from + f) * channels : NULL,
        };
        multiply(&layer->rewrite, &(Rows){.values = strip + f * channels, .stride = stride * sizeof *strip}, frames,
                 &result);
    }
    room->used = mark;
}

void encode_spectral(const SpectralEncoder* layer, const float* x, int frames, float* out, Team* team) {
    share(team, encode_strip, &(Encoding){layer, x, frames, out}, strips(layer->frequencies, layer->channels));
}

SpectralDecoder make_spectral_decoder(Builder* builder, int level, int channels, int channels_out, int frequencies,
                                      bool last) {
    const Name prefix = name_of("decoder.%d.", level);
    // Rows of a frame lie together: three times, three frequencies.
    const Order order = {.outputs = 2 * channels,
                         .depth = 9 * channels,
                         .n0 = 2 * channels,
                         .n0_step = 9 * channels,
                         .k0 = channels,
                         .k0_step = 9,
                         .k1 = 3,
                         .k1_step = 3,
                         .k2_step = 1};
    return (SpectralDecoder){
        .channels = channels,
        .channels_out = channels_out,
        .frequencies = frequencies,
        .rewrite = matrix_of(builder, prefix.text, "rewrite.weight", "rewrite.bias", 0, &order,
                             (Kind){.gated = true, .block = SHORT_BLOCK, .parts = 3}),
        .conv = transposed(builder, name_of("%sconv_tr.", prefix.text).text, channels, channels_out,
                           (Kind){.floats = last, .block = SHORT_BLOCK}),
        .residual = make_residual(builder, prefix.text, channels, false),
        .last = last,
    };
}

typedef struct {
    const SpectralDecoder* layer;
    const float *x, *skip;
    ptrdiff_t stride;
    int frames;
    float* y;  // what goes into the transposed convolution, (frames, frequencies + 2, channels), the outer ones zero
    float* out;
} Decoding;

// A strip of frequencies up to the transposed convolution.
static void rewrite_strip(const void* context, int index, Room* room) {
    const Decoding* work = context;
    const SpectralDecoder* layer = work->layer;
    const int strip_width = strip_of(layer->channels), from = index * strip_width, frames = work->frames;
    const int width = least(strip_width, layer->frequencies - from);
    const size_t mark = room->used;
    const int channels = layer->channels, seen = width + 2, row = seen * channels;
    int16_t* integers = take(room, (size_t)(frames + 2) * row * sizeof *integers);
    float *sums = take_floats(room, (size_t)frames * row), *gains = take_floats(room, frames + 2);
    const ptrdiff_t y_stride = (layer->frequencies + 2) * channels;
    if (measuring(room)) {
        add_residual(&layer->residual, sums, 0, frames, room, NULL);
        room->used = mark;
        return;
    }
    const int begin = from > 0 ? from - 1 : 0, end = least(from + width + 1, layer->frequencies);
    const int before = (begin - (from - 1)) * channels, inside = (end - begin) * channels;
    memset(integers, 0, (size_t)(frames + 2) * row * sizeof *integers);
    gains[0] = gains[frames + 1] = 0;
    for (int t = 0; t < frames; t++) {
        const float* a = work->x + t * work->stride + begin * channels;
        const float* b = work->skip + ((ptrdiff_t)t * layer->frequencies + begin) * channels;
        for (int i = 0; i < inside; i += LANES) store(sums + i, _mm512_add_ps(load(a + i), load(b + i)));
        gains[t + 1] = quantise_row(sums, inside, SHORT_BLOCK, integers + (ptrdiff_t)(t + 1) * row + before);
    }
    const ptrdiff_t bytes = row * sizeof *integers;
    float* strip = sums;  // which have been read
    for (int f = 0; f < width; f++) {
        const Rows rows = {integers + f * channels, bytes, bytes, gains, 1, 1};
        multiply(&layer->rewrite, &rows, frames,
                 &(Result){.values = strip + f * channels, .stride = width * channels, .finish = GATE});
    }
    for (int f = 0; f < width; f++)
        add_residual(&layer->residual, strip + f * channels, width * channels, frames, room, NULL);
    for (int t = 0; t < frames; t++)
        memcpy(work->y + t * y_stride + (from + 1) * channels, strip + (ptrdiff_t)t * width * channels,
               width * channels * sizeof *strip);
    room->used = mark;
}

// The transposed convolution of places `from` to `from + width`; place i gives frequencies 4 i - 2 to 4 i + 1.
static void widen_strip(const void* context, int index, Room* room) {
    const size_t mark = room->used;
    const Decoding* work = context;
    const SpectralDecoder* layer = work->layer;
    const int strip_width = strip_of(layer->channels), from = index * strip_width, frames = work->frames;
    const int width = least(strip_width, layer->frequencies + 1 - from);
    const float* y = work->y;
    const int channels = layer->channels, seen = width + 1, four = STRIDE * layer->channels_out;
    int16_t* integers = take(room, layer->last ? 0 : (size_t)frames * seen * channels * sizeof *integers);
    float* gains = take_floats(room, frames);
    const ptrdiff_t y_stride = (layer->frequencies + 2) * channels, out_stride = (layer->frequencies + 1) * four;
    if (!measuring(room)) {
        if (!layer->last)
            quantise_rows(y + from * channels, y_stride, frames, seen * channels, SHORT_BLOCK, integers, gains);
        for (int i = 0; i < width; i++) {
            const Rows rows =
                layer->last ? (Rows){y + (from + i) * channels, y_stride * sizeof *y, 0, NULL, 0, 0}
                            : (Rows){integers + i * channels, seen * channels * sizeof *integers, 0, gains, 1, 0};
            multiply(&layer->conv, &rows, frames,
                     &(Result){.values = work->out + (from + i) * four,
                               .stride = out_stride,
                               .finish = layer->last ? STORE : GELU});
        }
    }
    room->used = mark;
}

void decode_spectral(const SpectralDecoder* layer, const float* x, ptrdiff_t stride, const float* skip, int frames,
                     float* out, Team* team) {
    const size_t mark = team->room.used;
    const int channels = layer->channels, row = (layer->frequencies + 2) * channels;
    float* y = take_floats(&team->room, (size_t)frames * row);
    if (!measuring(&team->room))
        for (int t = 0; t < frames; t++) {
            memset(y + (ptrdiff_t)t * row, 0, channels * sizeof *y);
            memset(y + (ptrdiff_t)(t + 1) * row - channels, 0, channels * sizeof *y);
        }
    const Decoding work = {layer, x, skip, stride, frames, y, out};
    share(team, rewrite_strip, &work, strips(layer->frequencies, channels));
    share(team, widen_strip, &work, strips(layer->frequencies + 1, channels));
    team->room.used = mark;
}
